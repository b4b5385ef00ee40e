"""Serves the page that tells who listened, and its export."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from conferences import names
from conferences.permissions import audit_scope, audit_visible_to
from dashboard.audit.export import ExportRefused, begin_export, csv_parts, xlsx
from dashboard.audit.filtering import AuditFilter, choices_for, heads
from dashboard.audit.lines import PER_PAGE, lines_of
from dashboard.forms import AuditFilterForm, ExportForm, read
from dashboard.http import SignedInRequest

from .pages import text_page

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@require_safe
def audit(request: SignedInRequest) -> HttpResponse:
    """Show who listened to whom, as far as the viewer may read it, and as far as the filter asks for it."""
    now = timezone.now()
    form = _filter_form(request, request.GET)
    if names.number_in(names.harmless(request.GET.get("call", ""))):
        # The address that the browser and every log on the way keeps must hold no number.
        messages.error(request, _("Write the name of a call. A telephone number finds nothing here."))
        return redirect(_address({name: value for name, value in _asked(form).items() if name != "call"}))
    is_valid = form.is_valid()
    context = {
        "form": form,
        "asked": {name: value for name, value in _asked(form).items() if name != "page"},
        "scope": audit_scope(request.user),
        **(_page(request, form, now) if is_valid else {}),
        **text_page(request, now=now),
        "writing": True,
    }
    return render(request, "audit/audit.html", context, status=200 if is_valid else 400)


def _page(request: SignedInRequest, form: AuditFilterForm, now: datetime) -> dict[str, Any]:
    number = form.cleaned_data["page"] or 1
    wanted = _wanted(form)
    begin = (number - 1) * PER_PAGE
    found = list(heads(request.user, wanted)[begin : begin + PER_PAGE + 1])
    return {
        "lines": lines_of(found[:PER_PAGE], reader=request.user, wanted=wanted),
        "number": number,
        "older": number + 1 if len(found) > PER_PAGE else None,
        "newer": number - 1,
    }


@require_POST
def export(request: SignedInRequest) -> HttpResponseBase:
    """Send what the filter finds as a file; posted, because it is recorded."""
    now = timezone.now()
    kind = read(ExportForm(request.POST))["kind"]
    form = _filter_form(request, request.POST)
    read(form)
    try:
        exported = begin_export(request.user, _wanted(form), kind=kind, now=now)
    except ExportRefused as refused:
        messages.error(request, refused.sentence)
        return redirect(_address(_asked(form)))
    response: HttpResponseBase
    if kind == "xlsx":
        response = HttpResponse(xlsx(exported), content_type=XLSX)
    else:
        response = StreamingHttpResponse(csv_parts(exported), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="audit-{timezone.localtime(now):%Y-%m-%d}.{kind}"'
    return response


def _filter_form(request: SignedInRequest, asked: QueryDict) -> AuditFilterForm:
    if not audit_visible_to(request.user).exists():
        raise Http404
    choices = choices_for(request.user)
    return AuditFilterForm(asked, persons=choices.persons, teams=choices.teams, agents=choices.agents)


def _wanted(form: AuditFilterForm) -> AuditFilter:
    return AuditFilter(**{name: value for name, value in form.cleaned_data.items() if name != "page"})


def _asked(form: AuditFilterForm) -> dict[str, str]:
    return {name: str(form.data[name]) for name in form.fields if form.data.get(name)}


def _address(asked: dict[str, str]) -> str:
    return f"{reverse('audit')}?{urlencode(asked)}" if asked else reverse("audit")

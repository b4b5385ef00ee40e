"""Shows the pages on which files of the directory are exported, previewed and imported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from import_export.results import Result

from conferences import audit
from conferences.admin.who_is_who import recognise_everywhere
from conferences.models import AuditEntry
from conferences.spreadsheets import BOM, Table, Unreadable, as_csv, as_xlsx

from .files import MOST_BYTES, MOST_ROWS, attachment, signed_table, unsigned_table, uploaded_table
from .registry import FileKind, kind_for, kinds_for
from .rows import DirectoryResource
from .unrecognised import unrecognised_callers

SHOWN_ROWS = 200
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@require_safe
def overview(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Show which files there are."""
    kinds = kinds_for(request)
    if not kinds:
        raise PermissionDenied
    context |= {"title": _("Import and export"), "kinds": kinds}
    return TemplateResponse(request, "admin/conferences/directory/overview.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, context: dict[str, Any], slug: str) -> HttpResponse:
    """Take a file or a confirmed preview, and show what would become of each row."""
    kind = kind_for(request, slug)
    resource = kind.resource(request=request)
    context |= {
        "title": kind.name,
        "kind": kind,
        "columns": list(zip(resource.headings, resource.example, strict=True)),
        "required": resource.required,
        "most_rows": MOST_ROWS,
        "most_kilobytes": MOST_BYTES // 1024,
    }
    try:
        if "rows" in request.POST:
            table = unsigned_table(request, kind)
            if _stored(request, kind, table):
                return redirect("admin:directory_kind", slug)
            context |= _preview(request, kind, table)
        elif request.method == "POST":
            context |= _preview(request, kind, uploaded_table(request, kind))
    except Unreadable as error:
        context["problem"] = error.sentence
    return TemplateResponse(request, "admin/conferences/directory/kind.html", context)


@require_POST
def export(request: HttpRequest, _context: dict[str, Any], slug: str) -> HttpResponse:
    """Send everything of a kind as a file, or the unrecognised callers as agents without names; record that it was."""
    kind = kind_for(request, slug)
    resource = kind.resource(request=request)
    if slug == "agents" and "unrecognised" in request.POST:
        if not request.user.has_perm("conferences.view_leg"):
            raise PermissionDenied
        callers = unrecognised_callers(with_numbers=request.user.is_superuser)
        rows = [[*resource.headings, "calls", "last seen"], *(caller.row() for caller in callers)]
        return _file(request, rows, told="unrecognised callers", name="unrecognised-callers")
    dataset = resource.export()
    return _file(request, [dataset.headers, *dataset], told=kind.told, name=slug)


@require_safe
def template(request: HttpRequest, _context: dict[str, Any], slug: str) -> HttpResponse:
    """Send a file with the headings and one row as an example."""
    resource = kind_for(request, slug).resource(request=request)
    return _csv_file([resource.headings, resource.example], f"{slug}-example")


# --- Files ------------------------------------------------------------------------------------------------------------


def _file(request: HttpRequest, rows: list[Any], *, told: str, name: str) -> HttpResponse:
    form = "xlsx" if request.POST.get("format") == "xlsx" else "csv"
    _record(request, AuditEntry.Action.DIRECTORY_EXPORTED, f"{len(rows) - 1} {told} as {form}")
    if form == "xlsx":
        return attachment(as_xlsx(rows), XLSX, f"{name}.xlsx")
    return _csv_file(rows, name)


def _csv_file(rows: Iterable[Any], name: str) -> HttpResponse:
    return attachment(BOM + as_csv(rows), "text/csv; charset=utf-8", f"{name}.csv")


# --- Preview and import -----------------------------------------------------------------------------------------------


def _preview(request: HttpRequest, kind: FileKind, table: Table) -> dict[str, Any]:
    """Return what the page shows of a table: counts, wrong rows, and what would change."""
    resource = kind.resource(request=request)
    result = resource.preview(table)
    numbered = list(zip(table.numbers, result.rows, strict=True))
    wrong = [(number, row.validation_error.message_dict.items()) for number, row in numbered if row.validation_error]
    changed = [(number, row) for number, row in numbered if row.is_new() or row.is_update()]
    return {
        "new": result.totals["new"],
        "changed": result.totals["update"],
        "unchanged": result.totals["skip"],
        "wrong": len(wrong),
        "wrong_rows": wrong[:SHOWN_ROWS],
        "changed_rows": [
            (number, row.is_new(), row.object_repr, resource.changes(row)) for number, row in changed[:SHOWN_ROWS]
        ],
        "hidden_rows": max(0, len(wrong) - SHOWN_ROWS) + max(0, len(changed) - SHOWN_ROWS),
        "ignored": [heading for heading in table.headings if heading and heading not in resource.headings],
        "rows": signed_table(request, kind, table) if changed and not wrong else "",
        "previewed": True,
    }


def _stored(request: HttpRequest, kind: FileKind, table: Table) -> bool:
    """Store a previewed table as a whole; return whether it was still right."""
    resource = kind.resource(request=request)
    try:
        with transaction.atomic():
            result = resource.store(table)
            is_right = not result.has_validation_errors()
            if is_right:
                _note(request, kind, resource, result)
                transaction.on_commit(recognise_everywhere)
    except IntegrityError:  # somebody else has stored one of them meanwhile
        is_right = False
    if not is_right:
        messages.warning(request, _("Something has changed since the preview. Nothing was imported; look at it again."))
        return False
    told = {"new": result.totals["new"], "changed": result.totals["update"]}
    messages.success(request, _("Imported: %(new)d new, %(changed)d changed.") % told)
    return True


def _note(request: HttpRequest, kind: FileKind, resource: DirectoryResource, result: Result) -> None:
    """Write an import into the audit, and into the history of each page that it touched."""
    told = f"{result.totals['new']} new and {result.totals['update']} changed {kind.told}"
    _record(request, AuditEntry.Action.DIRECTORY_IMPORTED, told)
    rows = [resource.touched(row.instance) for row in result.rows if not row.is_skip()]
    touched = list({row.pk: row for row in rows}.values())
    LogEntry.objects.log_actions(request.user.pk or 0, touched, CHANGE, _("Imported from a file."))


def _record(request: HttpRequest, action: AuditEntry.Action, detail: str) -> None:
    actor = request.user if isinstance(request.user, User) else None
    audit.record(action, at=timezone.now(), actor=actor, detail=detail)

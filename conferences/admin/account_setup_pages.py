"""Shows what an account has at Telnyx, stores what Floorline uses of it, and tries whether it works."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from conferences import audit
from conferences.account_setup.connection_roles import ChosenRole, choose_roles
from conferences.account_setup.ear_application import (
    application_name,
    faults_of,
    webhook_address,
    why_not_correct,
    why_not_create,
)
from conferences.account_setup.inventory import read_inventory
from conferences.account_setup.refusal_words import in_words
from conferences.clients import setup_client_for
from conferences.models import Account, Connection
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.setup import Application, SetupClient

from .account_setup_forms import ChoicesForm, ProfileForm, rows_of
from .generic import AnyModelAdmin
from .who_is_who import recognise_everywhere


class AtTelnyx:
    """One request for the page "Read from Telnyx" of one account."""

    def __init__(self, page: AnyModelAdmin, request: HttpRequest, account: Account, client: SetupClient) -> None:
        self.page, self.request, self.account, self.client = page, request, account, client
        self.actor = request.user if isinstance(request.user, User) else None
        self.ear = account.credentials().ear_connection_id
        self.inventory = read_inventory(client)
        self.application = self.inventory.application(self.ear)
        self.webhook_url = webhook_address()
        self.faults = faults_of(self.application, webhook_url=self.webhook_url) if self.application else []
        self.why_not = (
            why_not_correct(self.application, self.inventory) if self.application else why_not_create(self.inventory)
        )

    def answer(self) -> HttpResponse:
        do = {"save": self.save, "create": self.create, "correct": self.correct}.get(self.request.POST.get("do", ""))
        return do() if do is not None and self.request.method == "POST" else self.shown()

    def shown(self, form: ChoicesForm | None = None) -> HttpResponse:
        """Show everything that the key can see."""
        form = form or self.choices_form()
        inventory = self.inventory
        credentials = Counter(each.connection_id for each in inventory.credentials.rows)
        names = inventory.names()
        context = {
            **admin.site.each_context(self.request),
            "title": _("Read from Telnyx: %(account)s") % {"account": self.account},
            "opts": self.page.opts,
            "account": self.account,
            "inventory": inventory,
            "form": form,
            "applications": list(rows_of(inventory.applications.rows, form, ear=self.ear)),
            "connections": list(rows_of(inventory.connections.rows, form, ear=self.ear, credentials=credentials)),
            "chosen": [form["ear_connection_id"], form["from_number"]],
            "numbers": [(each, names.get(each.connection_id, each.connection_id)) for each in inventory.numbers.rows],
            "dialled_from": self.account.credentials().from_number,
            "application": self.application,
            "faults": self.faults,
            "profile_form": ProfileForm(profiles=inventory.profiles.rows),
            "why_not": self.why_not,
            "webhook_address": self.webhook_url,
            "new_name": application_name(),
        }
        return TemplateResponse(self.request, "admin/conferences/account/at_telnyx.html", context)

    def choices_form(self, data: Any = None) -> ChoicesForm:
        rows = Connection.objects.filter(account=self.account)
        return ChoicesForm(
            data,
            account=self.account,
            inventory=self.inventory,
            roles=dict(rows.values_list("connection_id", "role")),
            may_role=self.request.user.has_perms(["conferences.add_connection", "conferences.change_connection"]),
        )

    def save(self) -> HttpResponse:
        """Store what was chosen on the page."""
        form = self.choices_form(self.request.POST)
        if not form.is_valid():
            messages.error(self.request, _("Nothing was saved: see what is marked below."))
            return self.shown(form)
        columns = form.changed_columns()
        for name in columns:
            setattr(self.account, name, form.cleaned_data[name])
        self._store(columns, form.chosen_roles(), done="chose what Floorline uses" if columns else "")
        messages.success(self.request, _("Saved."))
        return self._again()

    def create(self) -> HttpResponse:
        """Create the ear application as it must be, and use it; where there is one, it is used already."""
        if self.application is not None:
            return self._again()
        profile = self._profile(needed=True)
        if self.why_not or profile is None:
            return self._again(error=self.why_not or _("Choose an outbound voice profile from the list."))
        try:
            made = self.client.create_application(
                name=application_name(), webhook_url=self.webhook_url, profile_id=profile
            )
        except (Rejected, Unanswered) as error:
            return self._failed(error)
        self.account.ear_connection_id = made.id
        role = ChosenRole(made.id, made.name, Connection.Role.EAR)
        self._store(["ear_connection_id"], [role], done=f"created the application {_in_short(made)}")
        messages.success(
            self.request, _("“%(name)s” was created, and supervisors’ phones are rung on it.") % {"name": made.name}
        )
        return self._again()

    def correct(self) -> HttpResponse:
        """Set what is wrong with the ear application; no other application is ever changed."""
        if self.application is None or not self.faults:
            return self._again()
        profile = self._profile(needed=not self.application.profile_id)
        if self.why_not or profile is None:
            return self._again(error=self.why_not or _("Choose an outbound voice profile from the list."))
        try:
            self.client.correct_application(self.application, webhook_url=self.webhook_url, profile_id=profile)
        except (Rejected, Unanswered) as error:
            return self._failed(error)
        self._store([], [], done=f"corrected the application {_in_short(self.application)}")
        messages.success(self.request, _("“%(name)s” was corrected.") % {"name": self.application.name})
        return self._again()

    def _profile(self, *, needed: bool) -> str | None:
        """Return the profile that was chosen, empty where none is needed; None where it is not on the list."""
        form = ProfileForm(self.request.POST, profiles=self.inventory.profiles.rows)
        if not needed:
            return ""
        return str(form.cleaned_data["profile"]) if form.is_valid() else None

    def _store(self, columns: list[str], roles: list[ChosenRole], *, done: str) -> None:
        """Write what changed, with its history and the audit; live legs are recognised again by it."""
        now = timezone.now()
        with transaction.atomic():
            if columns:
                self.account.save(update_fields=columns)
            for connection in choose_roles(self.account, roles, actor=self.actor, now=now):
                self.page.log_change(self.request, connection, [{"changed": {"fields": ["role"]}}])
            if done:
                audit.record(audit.Action.SET_UP, at=now, actor=self.actor, detail=f"{self.account}: {done}")
                self.page.log_change(self.request, self.account, f"{done[0].upper()}{done[1:]}.")
            transaction.on_commit(recognise_everywhere)

    def _failed(self, error: Rejected | Unanswered) -> HttpResponse:
        messages.error(self.request, in_words(error))
        if isinstance(error, Unanswered):
            messages.warning(
                self.request, _("It may have been done all the same: look at the list before you repeat it.")
            )
        return self._again()

    def _again(self, *, error: str = "") -> HttpResponse:
        if error:
            messages.error(self.request, error)
        return redirect("admin:account_at_telnyx", object_id=self.account.pk)


def _in_short(application: Application) -> str:
    return f"“{application.name}” ({application.id})"


def account_to_set_up(page: AnyModelAdmin, request: HttpRequest, account_id: int) -> Account:
    """Return an account to those who may change it."""
    if not page.has_change_permission(request):
        raise PermissionDenied
    account: Account = get_object_or_404(Account.objects.defer("api_key"), pk=account_id)
    return account


def client_or_why(account: Account) -> SetupClient | str:
    """Return a client for an account's set-up, or why there is none."""
    try:
        if account.credentials().api_key:
            return setup_client_for(account)
    except ImproperlyConfigured as error:
        return str(error)
    return _("This account has no API key yet. Enter it on the account’s page first.")


def at_telnyx(page: AnyModelAdmin, request: HttpRequest, object_id: int) -> HttpResponse:
    """Read from Telnyx what an account has, and show or store what is chosen of it."""
    account = account_to_set_up(page, request, object_id)
    client = client_or_why(account)
    if isinstance(client, str):
        messages.error(request, client)
        return redirect("admin:conferences_account_change", account.pk)
    return AtTelnyx(page, request, account, client).answer()

"""Chooses from what an account has at Telnyx: roles of connections, the ear application, the number to dial from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conferences.account_setup.connection_roles import ChosenRole
from conferences.account_setup.ear_application import usable
from conferences.account_setup.inventory import Inventory
from conferences.models import Account, Connection
from conferences.models.account import Credentials
from conferences.telnyx.setup import Application, CredentialConnection, OutboundProfile

ROLE = "role-"


class ChoicesForm(forms.Form):
    """The parts of an account that Floorline uses, by select; where nothing is chosen, the environment's count."""

    ear_connection_id = forms.ChoiceField(
        label=gettext_lazy("Ear application"),
        required=False,
        help_text=gettext_lazy("Supervisors’ phones are rung on it; its role becomes “ear”."),
    )
    from_number = forms.ChoiceField(
        label=gettext_lazy("Number to dial from"),
        required=False,
        help_text=gettext_lazy("Supervisors’ phones show it."),
    )

    def __init__(
        self, *args: Any, account: Account, inventory: Inventory, roles: dict[str, str], may_role: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._names = inventory.names()
        self._called = {each.connection_id for each in inventory.numbers.rows}
        self._may_role = may_role
        applications = [(each.id, f"{each.name} ({each.id})") for each in inventory.applications.rows]
        numbers = [(each.number, each.number) for each in inventory.numbers.rows]
        self._otherwise = _if_nothing_is_chosen(account)
        self._offer("ear_connection_id", account.ear_connection_id, applications, self._otherwise.ear_connection_id)
        self._offer("from_number", account.from_number, numbers, self._otherwise.from_number)
        for connection_id, name in self._names.items():
            self.fields[ROLE + connection_id] = forms.ChoiceField(
                label=_("Role of %(name)s") % {"name": name or connection_id},
                choices=Connection.Role.choices,
                initial=roles.get(connection_id, Connection.Role.UNASSIGNED),
                disabled=not may_role,
            )

    def _offer(self, name: str, stored: str, choices: list[tuple[str, str]], from_environment: str) -> None:
        """Offer what Telnyx lists, and what is stored even where Telnyx lists it no more."""
        nothing = _("– from the environment: %(value)s –") % {"value": from_environment} if from_environment else "–"
        if stored and stored not in dict(choices):
            choices = [(stored, _("%(value)s (not seen by this key)") % {"value": stored}), *choices]
        self.fields[name].choices = [("", nothing), *choices]  # type: ignore[attr-defined]  # a ChoiceField
        self.fields[name].initial = stored

    def clean_ear_connection_id(self) -> str:
        chosen: str = self.cleaned_data["ear_connection_id"]
        if chosen in self._called and "ear_connection_id" in self.changed_data:
            raise ValidationError(
                _("Numbers are assigned to this application: their callers would be taken for supervisors’ phones.")
            )
        return chosen

    def clean(self) -> dict[str, Any]:
        if any(name.startswith(ROLE) and name not in self.fields for name in self.data):
            raise ValidationError(
                _("Telnyx does not list every connection that this page showed, so nothing was saved. Choose again.")
            )
        return self.cleaned_data

    def role_of(self, connection_id: str) -> forms.BoundField:
        """Return the field of a connection's role."""
        return self[ROLE + connection_id]

    def chosen_roles(self) -> list[ChosenRole]:
        """Return the roles as they were chosen; the ear application's is ear."""
        if not self._may_role:
            return []
        ear = self.cleaned_data["ear_connection_id"] or self._otherwise.ear_connection_id
        return [
            ChosenRole(each, name, Connection.Role.EAR if each == ear else self.cleaned_data[ROLE + each])
            for each, name in self._names.items()
        ]

    def changed_columns(self) -> list[str]:
        """Return the columns of the account that were changed."""
        return [name for name in ("ear_connection_id", "from_number") if name in self.changed_data]


def _if_nothing_is_chosen(account: Account) -> Credentials:
    """Return the credentials that an account has without an ear application and a number of its own."""
    without = copy(account)
    without.ear_connection_id = without.from_number = ""
    return without.credentials()


class ProfileForm(forms.Form):
    """The outbound voice profile for an application that has none."""

    profile = forms.ChoiceField(label=gettext_lazy("Outbound voice profile"))

    def __init__(self, *args: Any, profiles: tuple[OutboundProfile, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(each.id, each.name) for each in usable(profiles)]
        self.fields["profile"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """An application or a connection in the table, with the field of its role."""

    at_telnyx: Application | CredentialConnection
    role: forms.BoundField
    is_ear: bool
    credentials: int
    """The number of user names that were generated on it."""


def rows_of(
    listed: Sequence[Application | CredentialConnection],
    form: ChoicesForm,
    *,
    ear: str,
    credentials: Mapping[str, int] | None = None,
) -> Iterator[ConnectionRow]:
    """Yield the rows of a table."""
    for each in listed:
        yield ConnectionRow(each, form.role_of(each.id), each.id == ear, (credentials or {}).get(each.id, 0))

"""Reads what the pages send: each form turns a query or a POST into values, or finds it malformed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from conferences import names
from conferences.models import Agent, Team
from conferences.models.supervision import Role

A_YEAR = timedelta(days=365)
LARGEST_ID = 10**18 - 1
NOT_LISTED = {"invalid_choice": _("Choose one of the list.")}


class FlagField(forms.BooleanField):
    """A yes or no; the value 0 is a no too, which a check box of Django's would take for a yes."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False)


class TextField(forms.Field):
    """A text of any kind, empty where it is missing; what keeps it makes it harmless (names.plain)."""

    def __init__(self) -> None:
        super().__init__(required=False)

    def to_python(self, value: Any) -> str:
        """Return the text as it was sent."""
        return str(value or "")


class IdListField(forms.Field):
    """Any number of UUIDs under one name."""

    widget = forms.MultipleHiddenInput

    def __init__(self) -> None:
        super().__init__(required=False)

    def to_python(self, value: Any) -> list[UUID]:
        """Return the UUIDs in the order sent; raise ValidationError where one of them is none."""
        one = forms.UUIDField()
        return [one.clean(sent) for sent in value or ()]


class RoleForm(forms.Form):
    """A role in a conference, for whom, and who the page showed as present."""

    role = forms.TypedChoiceField(choices=Role.choices, coerce=Role)
    targets = IdListField()
    audience = IdListField()
    confirmed = TextField()

    @property
    def asks_again(self) -> bool:
        """Return whether everyone would hear this role, and nobody has confirmed it yet."""
        role = self.cleaned_data["role"]
        return role in Role.audible_to_all() and self.cleaned_data["confirmed"] != role

    @property
    def choice(self) -> dict[str, Any]:
        """Return what is chosen, as supervision.choose_role takes it."""
        return {name: self.cleaned_data[name] for name in ("role", "targets", "audience")}


class MonitorForm(forms.Form):
    """The conference of a row."""

    monitor = forms.UUIDField()


class ConnectForm(forms.Form):
    """The line to ring, or none: then the one that rings first."""

    line = forms.UUIDField(required=False)


class LineForm(forms.Form):
    """One line."""

    line = forms.UUIDField()


class FollowForm(forms.Form):
    """The agent to follow, nobody where it is empty, and whether for one call only."""

    agent = forms.IntegerField(required=False, min_value=0, max_value=LARGEST_ID)
    once = FlagField()


class NoteForm(forms.Form):
    """A note on a conference."""

    text = TextField()


class SavedViewForm(forms.Form):
    """A saved view: its name, whether colleagues see it, or that it is to be deleted."""

    name = TextField()
    shared = FlagField()
    delete = FlagField()


class DefaultViewForm(forms.Form):
    """Whether a view is the one that the floor opens with."""

    default = FlagField()


class KeyboardForm(forms.Form):
    """The keys by their actions, whether keys are on, or that all go back to the usual."""

    reset = FlagField()
    on = FlagField()

    @property
    def keys(self) -> dict[str, str]:
        """The keys by what they do; none where they go back to the usual."""
        return {} if self.cleaned_data["reset"] else {name: str(self.data[name]) for name in self.data}

    @property
    def off(self) -> bool:
        """Return whether the keys are switched off."""
        return not (self.cleaned_data["reset"] or self.cleaned_data["on"])


class ThemeForm(forms.Form):
    """A theme, or none: then the browser's own setting counts."""

    theme = forms.ChoiceField(choices=[(theme, theme) for theme in settings.THEMES], required=False)


class EndSessionForm(forms.Form):
    """One session by its name, or all others."""

    end = TextField()
    others = FlagField()


class DensityForm(forms.Form):
    """Whether the rows of the list are low, so that more of them fit."""

    compact = FlagField()


class ListedField(forms.ModelChoiceField):  # type: ignore[type-arg]  # no argument at run time
    """A colleague, a team or an agent, by the name that every page shows."""

    def __init__(self, known: QuerySet[Any], *, label: Any, empty_label: Any) -> None:
        super().__init__(known, required=False, label=label, empty_label=empty_label, error_messages=NOT_LISTED)

    def label_from_instance(self, obj: Any) -> str:
        """Return the name as one harmless line."""
        return names.person(obj) if isinstance(obj, User) else names.plain(obj.name)


class DayField(forms.DateField):
    """A day, as a browser's own calendar sends it."""

    def __init__(self, *, label: Any) -> None:
        widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
        super().__init__(required=False, label=label, widget=widget, input_formats=["%Y-%m-%d"])

    def to_python(self, value: Any) -> date | None:
        """Return the day; what is none is named, because the browser's own field does not show it any more."""
        try:
            day = super().to_python(value)
        except ValidationError as error:
            raise ValidationError(self._no_day(value)) from error
        # Near the ends of the calendar there are moments of a time zone that no date can express.
        if day is not None and not date.min + A_YEAR < day < date.max - A_YEAR:
            raise ValidationError(self._no_day(value))
        return day

    def _no_day(self, value: Any) -> str:
        text = _("“%(typed)s” is not a day. Write it as year-month-day, for example 2026-08-21.")
        return text % {"typed": names.plain(str(value), limit=30)}


class AuditFilterForm(forms.Form):
    """The filter of the audit; people, teams and agents that the reader may not read about are no choice."""

    person = ListedField(User.objects.none(), label=_("Person"), empty_label=_("Everybody"))
    team = ListedField(Team.objects.none(), label=_("Team"), empty_label=_("All teams"))
    agent = ListedField(Agent.objects.none(), label=_("Agent"), empty_label=_("All agents"))
    mode = forms.ChoiceField(
        choices=[("", _("All modes")), *Role.choices], required=False, label=_("Mode"), error_messages=NOT_LISTED
    )
    call = forms.CharField(required=False, max_length=names.NAME_LIMIT, label=_("Call"))
    first_day = DayField(label=_("From"))
    last_day = DayField(label=_("To"))
    page = forms.IntegerField(required=False, min_value=1, max_value=10_000, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, persons: QuerySet[User], teams: QuerySet[Team], agents: QuerySet[Agent]) -> None:
        super().__init__(data)
        for name, known in (("person", persons), ("team", teams), ("agent", agents)):
            field = self.fields[name]
            assert isinstance(field, ListedField)  # noqa: S101 - for the types
            field.queryset = known

    def clean_call(self) -> str:
        """Refuse a telephone number: calls are found by their names alone, in which numbers are masked."""
        call = names.harmless(self.cleaned_data["call"])
        if names.number_in(call):
            raise ValidationError(_("Write the name of a call. A telephone number finds nothing here."))
        return call

    def clean(self) -> None:
        """Refuse days in the wrong order."""
        first, last = self.cleaned_data.get("first_day"), self.cleaned_data.get("last_day")
        if first and last and first > last:
            self.add_error("last_day", _("This day lies before the first one."))


class OwnLogForm(forms.Form):
    """The last of the days that an agent's own log shows; today where it is empty."""

    last_day = DayField(label=_("To"))


class ExportForm(forms.Form):
    """The kind of file that is wanted."""

    kind = forms.ChoiceField(choices=[("csv", "CSV"), ("xlsx", "XLSX")])


class OpenForm(forms.Form):
    """The conference that an address opens, and the role that a first press without JavaScript has armed."""

    conference = forms.UUIDField(required=False)
    armed = TextField()

    @property
    def open_id(self) -> UUID | None:
        """The conference on the desk; none where the address names none, or nonsense."""
        self.is_valid()
        return self.cleaned_data.get("conference")

    @property
    def armed_role(self) -> str:
        """The armed role, empty for one that asks only once."""
        self.is_valid()
        armed = str(self.cleaned_data.get("armed", ""))
        return armed if armed in Role.audible_to_all() else ""


def read(form: forms.Form) -> dict[str, Any]:
    """Return what a form holds; raise BadRequest, which answers 400, where it is malformed."""
    if not form.is_valid():
        raise BadRequest(f"malformed: {', '.join(sorted(form.errors))}")
    return form.cleaned_data

"""Reads what the pages send: each form turns a query or a POST into values, or finds it malformed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.core.exceptions import BadRequest

from conferences.models.supervision import Role

LARGEST_ID = 10**18 - 1


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


class DensityForm(forms.Form):
    """Whether the rows of the list are low, so that more of them fit."""

    compact = FlagField()


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

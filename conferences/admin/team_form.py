"""Edits a team's name and thresholds; what is left empty is Floorline's own value, which stands in grey."""

from __future__ import annotations

from typing import Any

from django.forms import ModelForm
from django.utils.translation import gettext_lazy as _

from conferences.models import Team
from conferences.thresholds import DEFAULTS

OWN_VALUES = {
    "long_call_minutes": int(DEFAULTS.long_call.total_seconds() // 60),
    "very_long_call_minutes": int(DEFAULTS.very_long_call.total_seconds() // 60),
    "same_speaker_seconds": int(DEFAULTS.same_speaker.total_seconds()),
    "hold_seconds": int(DEFAULTS.hold.total_seconds()),
    "many_transfers": DEFAULTS.transfers,
    "waiting_seconds": int(DEFAULTS.waiting.total_seconds()),
}
THRESHOLDS = (
    _("When a call needs somebody"),
    {
        "fields": [
            ("long_call_minutes", "very_long_call_minutes"),
            ("same_speaker_seconds", "hold_seconds"),
            ("many_transfers", "waiting_seconds"),
        ],
        "description": _(
            "Open floors follow at once. Where a field is empty, Floorline's own value counts, which it shows in grey. "
            "For a call of several teams the smallest value counts."
        ),
    },
)


class TeamForm(ModelForm):  # type: ignore[type-arg]  # Django's own class takes none
    """A team, with Floorline's own values where it has set none."""

    class Meta:
        model = Team
        fields = ("name", *OWN_VALUES)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, value in OWN_VALUES.items():
            if name in self.fields:  # absent where somebody may only look
                self.fields[name].widget.attrs["placeholder"] = str(value)

"""Names a supervisor's own leg and the roles that it can have in a conference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

# A supervisor's own leg: from an answer of Telnyx, or from a pinned ear.
MyLeg = NewType("MyLeg", str)


@dataclass(frozen=True, slots=True)
class Monitor:
    """Hears everyone; nobody hears the supervisor."""

    name = "monitor"


@dataclass(frozen=True, slots=True)
class Barge:
    """Hears everyone and is heard by everyone."""

    name = "barge"


@dataclass(frozen=True, slots=True)
class RoleNone:
    """Telnyx's `none`: an ordinary participant, as audible as barge."""

    name = "none"


@dataclass(frozen=True, slots=True)
class Whisper:
    """Heard by the named legs only. Without listeners Telnyx would turn it into monitoring, so one is required."""

    first: str
    more: tuple[str, ...] = ()
    name = "whisper"

    @property
    def listeners(self) -> list[str]:
        return [self.first, *self.more]


SupervisorRole = Monitor | Whisper | Barge | RoleNone


def role_fields(role: SupervisorRole) -> dict[str, object]:
    """Return the fields of a request that set a role."""
    fields: dict[str, object] = {"supervisor_role": role.name}
    if isinstance(role, Whisper):
        fields["whisper_call_control_ids"] = role.listeners
    return fields

"""Turns a press into an effect: permission → stored command → Telnyx → verified outcome."""

from __future__ import annotations

from .accounts import account_of
from .actions import choose_role, connect, disconnect, follow, leave, quieter
from .adopted_legs import adopt
from .emergency import seal, send_by_note, stop
from .errors import Refused, not_allowed, not_allowed_anywhere
from .line import live_ear
from .presses import Press, Way, read_press
from .readback import may_still_run
from .sessions import open_session
from .steps import open_ears, step_ear
from .upkeep import renew_lines

__all__ = [
    "Press",
    "Refused",
    "Way",
    "account_of",
    "adopt",
    "choose_role",
    "connect",
    "disconnect",
    "follow",
    "leave",
    "live_ear",
    "may_still_run",
    "not_allowed",
    "not_allowed_anywhere",
    "open_ears",
    "open_session",
    "quieter",
    "read_press",
    "renew_lines",
    "seal",
    "send_by_note",
    "step_ear",
    "stop",
]

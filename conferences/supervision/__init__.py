"""The service layer: a click → permission → stored command → Telnyx → verified outcome."""

from __future__ import annotations

from .adopting import adopt
from .doubting import may_still_run
from .keeping import renew_lines
from .pressing import Press, Way, answer
from .progress import open_ears, step_ear
from .service import choose_role, connect, disconnect, follow, leave, live_ear, open_session, quieter
from .stop import hasten, seal, stop
from .words import Refused

__all__ = [
    "Press",
    "Refused",
    "Way",
    "adopt",
    "answer",
    "choose_role",
    "connect",
    "disconnect",
    "follow",
    "hasten",
    "leave",
    "live_ear",
    "may_still_run",
    "open_ears",
    "open_session",
    "quieter",
    "renew_lines",
    "seal",
    "step_ear",
    "stop",
]

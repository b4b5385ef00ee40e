"""One press, one command: a stop that reaches Telnyx by two ways carries the same ids on both, and is executed once.

The page's sealed note goes beside the ordinary way where that is slow. Telnyx ignores a command_id that it has seen in
the last minute, so both take theirs from the press that they answer.
"""

from __future__ import annotations

from contextvars import ContextVar
from enum import StrEnum
from uuid import UUID, uuid4, uuid5

from conferences.models import Command


class Way(StrEnum):
    """What was pressed."""

    QUIETER = "quieter"
    LEAVE = "leave"
    DISCONNECT = "disconnect"


class Press:
    """One press of Quieter, Leave or Disconnect."""

    def __init__(self) -> None:
        self._id = uuid4()
        self._stored: set[Command.Kind] = set()

    def id_of(self, kind: Command.Kind) -> UUID:
        """Return the command_id of what this press sends first of a kind."""
        return uuid5(self._id, kind)

    def take(self, kind: Command.Kind) -> UUID:
        """Return that id for the first command that is stored, and a new one for any further."""
        if kind in self._stored:
            return uuid4()
        self._stored.add(kind)
        return self.id_of(kind)


_answered: ContextVar[Press | None] = ContextVar("answered", default=None)


def answer(press: Press) -> None:
    """Let what this context stores from now on carry the ids of a press."""
    _answered.set(press)


def new_command_id(kind: Command.Kind) -> UUID:
    """Return the id for a way to silence: that of the press which is being answered, where there is one."""
    press = _answered.get()
    return press.take(kind) if press is not None else uuid4()

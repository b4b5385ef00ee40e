"""Reads presses (one key or click with its time) and decides which of two presses wins.

Requests may arrive, be stored and be sent in any order. What counts is when the person pressed: the later press wins,
and a stop makes void whatever the same person pressed before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from conferences.models import Cause, Ear, Stop, SupervisorSession

from .errors import Refused

Way = Stop.Way
# A louder press, or one that brings the line into another call, is stored within this time or refused.
FRESH_FOR = timedelta(seconds=5)
# Two pages or devices may differ by this much about the time; inside it the quieter of two presses wins.
CLOCKS_AGREE_WITHIN = timedelta(seconds=2)
# A page cannot have waited longer than this with a press: what claims to be older is taken as this old.
OLDEST = timedelta(seconds=60)
LARGEST_NUMBER = 2**31 - 1
TOO_LATE = gettext_noop("This reached Floorline too late, so nothing was done. Press again.")


@dataclass(frozen=True, slots=True)
class Press:
    """One key or click: when it was pressed on the server's clock, and where it stands among the presses of its page.

    `page` and `number` are empty for a page without scripts; such presses count from their receipt.
    """

    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    page: UUID | None = None
    number: int | None = None
    hop: bool = False
    """Whether the page has lately asked to go to another call, so that the line may be in either."""
    cause: Cause = Cause.PRESSED
    id: UUID = field(default_factory=uuid4)

    def command_id(self, kind: str) -> UUID:
        """Return the id of the command of a kind that answers this press.

        A stop may be sent by two ways at once; with the same id on both, Telnyx executes it once.
        """
        return uuid5(self.id, kind)

    def is_before(self, other: Press) -> bool:
        """Return whether another press is later: by number on one page, by time otherwise."""
        if self.is_on_page_of(other):
            return (self.number or 0) < (other.number or 0)
        return self.at < other.at

    def is_on_page_of(self, other: Press) -> bool:
        """Return whether both were pressed on one page, so that their numbers tell their order."""
        return self.page is not None and self.page == other.page

    def is_at_once_with(self, other: Press) -> bool:
        """Return whether two pages or devices were pressed too close together to tell by their clocks which was first.

        What pages without scripts have sent counts from its receipt, by one clock.
        """
        by_one_clock = self.is_on_page_of(other) or (self.page is None and other.page is None)
        return not by_one_clock and abs(self.at - other.at) <= CLOCKS_AGREE_WITHIN


def read_press(fields: Mapping[str, str], *, received: datetime) -> Press:
    """Read the press of a form; a press that cannot be read gets the time of its receipt.

    The page estimates the time from the heartbeats that it has heard. It may be at most OLDEST before the receipt.
    """
    number, milliseconds = _whole(fields.get("press", "")), _whole(fields.get("pressed_at", ""))
    page = _uuid(fields.get("page", ""))
    at = received
    if milliseconds is not None:
        pressed_at = datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds < 10**14 else received
        at = min(max(pressed_at, received - OLDEST), received)
    if page is None or number is None or number > LARGEST_NUMBER:
        page = number = None
    return Press(at=at, page=page, number=number, hop=fields.get("hop") == "1")


def press_of_phone(ear: Ear, *, at: datetime, now: datetime) -> Press:
    """Return a press on the phone itself: a key, or hold; the phone counts as a page of its own.

    `at` is by Telnyx' clock. By ours it is no later than now; a stop that seemed older than the barge before it would
    be void.
    """
    return Press(at=min(ear.account.on_our_clock(at), now), page=ear.pk, number=0, cause=Cause.KEYED)


def press_of_session(session: SupervisorSession) -> Press | None:
    """Return the newest press that a session rests on; None where nobody pressed, as for an adopted leg."""
    if session.pressed_at is None:
        return None
    return Press(at=session.pressed_at, page=session.press_page, number=session.press_number)


def press_of_follow(ear: Ear) -> Press | None:
    """Return the press that asked an ear to follow an agent."""
    if ear.follow_pressed_at is None:
        return None
    return Press(at=ear.follow_pressed_at, page=ear.follow_page, number=ear.follow_number)


def columns_of(press: Press) -> dict[str, object]:
    """Return the columns by which a session keeps its press."""
    return {"pressed_at": press.at, "press_page": press.page, "press_number": press.number}


def refuse_stale(press: Press) -> None:
    """Raise Refused for a press that is too old to be stored as something new."""
    if datetime.now(UTC) - press.at > FRESH_FOR:
        raise Refused(_(TOO_LATE))


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

"""Keeps the stops of a person, and decides which presses they make void."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from conferences import audit
from conferences.audit import Action
from conferences.changes import BoardChange, board_change
from conferences.fast_sql import load_rows
from conferences.models import Ear, Stop, SupervisorSession

from .errors import Refused
from .presses import CLOCKS_AGREE_WITHIN, Press, Way, press_of_session

LEFT = gettext_noop("You have left since, so this was not done. Press again.")
SILENCED = gettext_noop("You asked for silence after this, so you stay on Monitor. Press again to be heard.")


class PressedStop(NamedTuple):
    """A stop as it was pressed: the way, and the press."""

    way: Way
    press: Press


def store_stop(user: User, way: Way, press: Press) -> None:
    """Store a stop with its person, in the caller's transaction; an existing one is not changed."""
    row = Stop(id=press.id, user=user, way=way, pressed_at=press.at, page=press.page, number=press.number)
    Stop.objects.bulk_create([row], ignore_conflicts=True)


def stops_after(user: User, press: Press) -> set[str]:
    """Return the ways of the stops that make a press void.

    On one page the number decides. Across pages and devices a stop within two seconds of the press wins, whichever came
    first. Presses without a page have been received in their order.
    """
    return {stop.way for stop in load_rows(Stop, user_id=user.pk) if _voids(stop, press)}


def _voids(stop: Stop, press: Press) -> bool:
    stopped = Press(at=stop.pressed_at, page=stop.page, number=stop.number)
    if stopped.is_on_page_of(press):
        return press.is_before(stopped)
    if stopped.page is None and press.page is None:
        return press.at < stopped.at
    return press.at <= stopped.at + CLOCKS_AGREE_WITHIN


def loses_to(stop: Press, session: SupervisorSession) -> bool:
    """Return whether a stop came out of order: its own page has asked for something louder after it."""
    newest = press_of_session(session)
    return newest is not None and stop.is_on_page_of(newest) and stop.is_before(newest)


def refuse_void(user: User, press: Press, *, entering: bool) -> None:
    """Raise Refused where the same person has asked for silence after a press.

    Leave and Disconnect end everything that was asked before; Quieter ends what would be heard, and only that.
    """
    ways = stops_after(user, press)
    if ways - {Way.QUIETER}:
        raise Refused(_(LEFT))
    if ways and not entering:
        raise Refused(_(SILENCED))


def keep_stop(user: User, way: Way, press: Press, *, change: BoardChange, now: datetime) -> None:
    """Store a stop in the caller's transaction; Leave and Disconnect also end following an agent."""
    store_stop(user, way, press)
    if way != Way.QUIETER:
        stop_following(user, because=_("you left"), change=change, now=now)


def keep_stop_alone(user: User, way: Way, press: Press, *, now: datetime) -> None:
    """Store a stop of a person who is in no conference now, for example between two conferences."""
    with board_change(now=now) as change:
        keep_stop(user, way, press, change=change, now=now)


def stop_following(user: User, *, because: str, change: BoardChange, now: datetime) -> None:
    """Stop following an agent, in the caller's transaction."""
    following = Ear.objects.live().filter(user=user).exclude(follows=None)
    if change.update(following, follows=None, follows_once=False):
        audit.record(Action.FOLLOW_ENDED, at=now, actor=user, detail=because)

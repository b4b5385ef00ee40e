"""Silences a supervisor when the ordinary way is slow or fails: the table of times, and the sealed note.

Every page that shows Leave carries a sealed note of which leg it would take out of which conference. It is encrypted (a
call_control_id never reaches a browser in the clear), signed, and good for one long call.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, InterfaceError, connection

from conferences import audit
from conferences.audit import Action
from conferences.changes import board_change
from conferences.clients import client_without_database
from conferences.models import Command, Ear, SupervisorSession
from conferences.telnyx.client import LONGEST_LEG_SECONDS, Client
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.roles import Monitor, MyLeg

from .commands import clock
from .outbound import SILENCING_PATIENCE
from .presses import Press, Way
from .stops import keep_stop

# The ways to silence, by what is late. Each sends under the ids of the same press, so Telnyx executes it once.
#
# | nothing after | of                                             | then                                             |
# |---------------|------------------------------------------------|--------------------------------------------------|
# | 0.7 s         | the database storing the stop                  | `sent_in_time` sends it before it is stored      |
# | 0.8 s         | Django answering (its threads, its sessions)   | `send_by_note` sends it without Django           |
# | 5.0 s, or 5xx | Django answering                               | `stop` takes the line out, without the database  |
STORED_WITHIN = 0.7
HASTENED_AFTER = 0.8
# Longer than the ordinary way waits for Telnyx (0.7 and 1.5 s), for a second command after a refusal, too.
GIVEN_UP_AFTER = 5.0

PATIENCE = 1.5
LAST_PATIENCE = 4.0
LOOK_AFTER = (0.0, 0.3)  # seconds
STORE_EVERY_SECONDS = 1.0
STORE_FOR = timedelta(hours=1)

Note = Mapping[str, Any]
Step = Callable[[Client, Note, Press], bool]

_between: Counter[str] = Counter()

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def sent_in_time(send: Callable[[], object]) -> Iterator[None]:
    """Store in the block; if that takes too long, call `send` meanwhile from another thread.

    What is sent afterwards, once it is stored, carries the same command_id, so Telnyx executes it once.
    """
    timer = threading.Timer(STORED_WITHIN, _send_unstored, args=[send])
    timer.name, timer.daemon = "stop-in-time", True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _send_unstored(send: Callable[[], object]) -> None:
    logger.warning("the database keeps a supervisor's way to silence waiting; it is sent before it is stored")
    with contextlib.suppress(Rejected, Unanswered):
        send()


def seal(session: SupervisorSession) -> str:
    """Return the note for one session, to be put beside its Leave button."""
    ear = session.ear
    note = {
        "account": ear.account_id,
        "default": ear.account.is_default,
        "leg": ear.call_control_id,
        "conference": session.conference.telnyx_id,
        "user": session.user_id,
        "session": str(session.pk),
        "dialled": ear.dialled_by_us,
        "monitor_harms": ear.account.monitor_harms_call,
    }
    return _cipher().encrypt(json.dumps(note).encode()).decode()


def send_by_note(sealed: str, *, way: Way, press: Press) -> None:
    """Send what was pressed beside a slow ordinary way, which then finds out about the outcome."""
    note = _opened(sealed)
    client = _client_of(note)
    if note is None or client is None:
        return
    kind = _first_step(note, way)
    answered = any(_is_answered(client, note, kind, press, patience=patience) for patience in SILENCING_PATIENCE)
    told = "Telnyx answered" if answered else "Telnyx did not answer"
    logger.warning("a supervisor's way to silence (%s) was slow, so the page's note sent it: %s", kind, told)
    _store_later(note, way, press, action=Action.SENT_BY_NOTE, detail=f"{kind}: {told}")


def stop(sealed: str, *, way: Way = Way.LEAVE, press: Press | None = None) -> bool:
    """Take the noted leg out; return whether Telnyx has been seen to have it out, so that nobody hears it any more."""
    note = _opened(sealed)
    client = _client_of(note)
    if note is None or client is None:
        return False
    press = press or Press()
    silent = any(step(client, note, press) for step in _ladder(note, way, press))
    told = "Telnyx confirmed" if silent else "Telnyx did not confirm"
    logger.warning("a supervisor was taken out without the database: %s", told)
    _store_later(note, way, press, action=Action.STOPPED_BY_NOTE, detail=told)
    return silent


def _ladder(note: Note, way: Way, press: Press) -> tuple[Step, ...]:
    if press.hop or note["leg"] in _between:
        # The line may be in the noted conference, in the next, or between them; after a hang-up it is heard in none.
        return (_hang_up,)
    return (_leave, _hang_up) if _first_step(note, way) != Command.Kind.HANGUP else (_hang_up, _leave)


@contextlib.contextmanager
def between_conferences(ear: Ear) -> Iterator[None]:
    """Note that a line is on its way from one conference to another, for a stop that cannot ask the database."""
    _between[ear.call_control_id] += 1
    try:
        yield
    finally:
        _between[ear.call_control_id] -= 1
        if not _between[ear.call_control_id]:
            del _between[ear.call_control_id]


def _opened(sealed: str) -> Note | None:
    try:
        note: dict[str, Any] = json.loads(_cipher().decrypt(sealed.encode(), ttl=LONGEST_LEG_SECONDS))
    except (InvalidToken, ValueError):
        return None
    return note if note["leg"] else None  # the page did not know the leg yet, so the note names none


def _client_of(note: Note | None) -> Client | None:
    """Return the client for a note's leg; None where this process has never spoken for its account."""
    if note is None:
        return None
    client = client_without_database(note["account"], is_default=note.get("default", True))
    if client is None:
        logger.warning("a supervisor's way to silence cannot be sent by its note: the account's key is not known here")
    return client


def _first_step(note: Note, way: Way) -> Command.Kind:
    """Return what the ordinary way would send: a leg of the center's own call flow is not hung up but taken out."""
    if way == Way.DISCONNECT and note.get("dialled", True):
        return Command.Kind.HANGUP
    if way == Way.QUIETER and not note.get("monitor_harms"):
        return Command.Kind.UPDATE
    return Command.Kind.LEAVE


def _send(client: Client, note: Note, kind: Command.Kind, press: Press, *, patience: float = PATIENCE) -> None:
    command_id, conference_id, my_leg = press.command_id(kind), note["conference"], MyLeg(note["leg"])
    if kind == Command.Kind.HANGUP:
        client.hangup(command_id=command_id, my_leg=my_leg, patience=patience)
    elif kind == Command.Kind.UPDATE:
        client.set_role(
            command_id=command_id, conference_id=conference_id, my_leg=my_leg, role=Monitor(), patience=patience
        )
    else:
        client.leave(command_id=command_id, conference_id=conference_id, my_leg=my_leg, patience=patience)


def _is_answered(client: Client, note: Note, kind: Command.Kind, press: Press, *, patience: float) -> bool:
    try:
        _send(client, note, kind, press, patience=patience)
    except Rejected as error:
        return error.status != 429
    except Unanswered:
        return False
    return True


def _leave(client: Client, note: Note, press: Press) -> bool:
    try:
        _send(client, note, Command.Kind.LEAVE, press)
    except Rejected:
        return _is_out(client, note)  # an earlier press may have taken it out already
    except Unanswered:
        return False
    return _seen(lambda: _is_out(client, note))


def _seen(looks_done: Callable[[], bool]) -> bool:
    """Return whether Telnyx shows it; look a few times, because what it accepted may show a moment later."""
    for pause in LOOK_AFTER:
        time.sleep(pause)
        if looks_done():
            return True
    return False


def _is_out(client: Client, note: Note) -> bool:
    try:
        inside = client.participants(note["conference"], patience=PATIENCE)
    except (Rejected, Unanswered):
        return False
    return note["leg"] not in {read.call_control_id for read in inside}


def _hang_up(client: Client, note: Note, press: Press) -> bool:
    # A refusal or a missing answer proves nothing; only a reading shows whether the call has ended.
    with contextlib.suppress(Rejected, Unanswered):
        _send(client, note, Command.Kind.HANGUP, press, patience=LAST_PATIENCE)
    return _seen(lambda: _is_dead(client, note))


def _is_dead(client: Client, note: Note) -> bool:
    try:
        return not client.call(note["leg"], patience=PATIENCE).is_alive
    except Rejected as error:
        return error.means_gone
    except Unanswered:
        return False


def _store_later(note: Note, way: Way, press: Press, *, action: str, detail: str) -> None:
    at = clock()
    _storing.put(Unstored(partial(_store, note, way, press, action=action, detail=detail, at=at), until=at + STORE_FOR))


def _store(note: Note, way: Way, press: Press, *, action: str, detail: str, at: datetime) -> None:
    """Store the stop, and what was done. Raises DatabaseError."""
    with contextlib.suppress(SupervisorSession.DoesNotExist, User.DoesNotExist):
        session = SupervisorSession.objects.select_related("conference").get(pk=note["session"])
        actor = User.objects.get(pk=note["user"])
        with board_change(now=at) as change:
            keep_stop(actor, way, press, change=change, now=at)
        audit.record(action, at=at, actor=actor, conference=session.conference, session=session, detail=detail)


@dataclass(frozen=True, slots=True)
class Unstored:
    """Something to be stored as soon as the database is back; it is tried until a moment."""

    store: Callable[[], None]
    until: datetime


class Storing:
    """Stores one after another, in one thread however much waits; the end of the process does not wait for it."""

    def __init__(self) -> None:
        self._waiting: deque[Unstored] = deque()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, unstored: Unstored) -> None:
        """Have something stored as soon as the database is back."""
        with self._lock:
            self._waiting.append(unstored)
            if self._thread is None:
                # Not an executor: the end of the process waits for an executor's thread.
                thread = threading.Thread(target=self._store_all, name="stop-audit", daemon=True)
                thread.start()
                self._thread = thread

    def _store_all(self) -> None:
        while (unstored := self._next()) is not None:
            try:
                unstored.store()
            except (DatabaseError, InterfaceError):
                connection.close()
                self._wait(unstored)
            except Exception:
                # One that cannot be stored keeps no other from it.
                logger.exception("a stop without the database could not be stored")
        connection.close()

    def _next(self) -> Unstored | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._thread = None
            return None

    def _wait(self, unstored: Unstored) -> None:
        """Try again after the others, whatever is wrong with this one."""
        if clock() < unstored.until:
            with self._lock:
                self._waiting.append(unstored)
        time.sleep(STORE_EVERY_SECONDS)


_storing = Storing()


def _cipher() -> MultiFernet:
    """Return the cipher of the notes; those of pages that were open before SECRET_KEY changed are read, too."""
    return MultiFernet([_cipher_of(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _cipher_of(secret_key: str) -> Fernet:
    key = hashlib.sha256(b"floorline stop note" + secret_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))

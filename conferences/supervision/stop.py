"""The stop that needs no database: what Leave does when nothing else works.

Every page that shows Leave carries a sealed note of which leg it would take out of which conference. When the ordinary
way fails, the note alone is enough: leave, and where Telnyx does not show that, hang up the supervisor's own leg.
The note is encrypted (a call_control_id never reaches a browser in the clear), signed, and good for one long call.

Where the ordinary way is only slow, the note hastens it: it sends what was pressed and nothing more, under the id that
the ordinary way's own command has or will have.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, connection

from conferences import audit
from conferences.clients import client_without_database
from conferences.models import Command, SupervisorSession
from conferences.telnyx.client import Client, Monitor, MyLeg, Rejected, Unanswered

from .commands import HEDGES, clock
from .pressing import Press, Way

NOTE_SECONDS = 4 * 60 * 60  # Telnyx' own limit for a leg
PATIENCE = 1.5
LAST_PATIENCE = 4.0
LOOK_AFTER = (0.0, 0.3)  # seconds
STORE_EVERY_SECONDS = 5.0
STORE_TRIES = 720

Note = Mapping[str, Any]

logger = logging.getLogger(__name__)


def seal(session: SupervisorSession) -> str:
    """Return the note for one session, to be put beside its Leave button."""
    ear = session.ear
    note = {
        "account": ear.account_id,
        "leg": ear.call_control_id,
        "conference": session.conference.telnyx_id,
        "user": session.user_id,
        "session": str(session.pk),
        "dialled": ear.dialled_by_us,
        "monitor_harms": ear.account.monitor_harms_call,
    }
    return _cipher().encrypt(json.dumps(note).encode()).decode()


def hasten(sealed: str, *, way: Way, press: Press) -> None:
    """Send what was pressed, beside an ordinary way that is slow; what comes of it is that way's to find out."""
    note = _opened(sealed)
    if note is None:
        return
    client, kind = client_without_database(note["account"]), _first_step(note, way)
    answered = any(_is_answered(client, note, kind, press, patience=patience) for patience in HEDGES)
    told = "Telnyx answered" if answered else "Telnyx did not answer"
    logger.warning("a supervisor's way to silence (%s) was slow, so the page's note sent it: %s", kind, told)
    _audit_later(note, action="sent by the page's note", detail=f"{kind}: {told}")


def stop(sealed: str, *, way: Way = Way.LEAVE, press: Press | None = None) -> bool:
    """Take the noted leg out; return whether Telnyx has been seen to have it out, so that nobody hears it any more."""
    note = _opened(sealed)
    if note is None:
        return False
    client, press = client_without_database(note["account"]), press or Press()
    ladder = (_leave, _hang_up) if _first_step(note, way) != Command.Kind.HANGUP else (_hang_up, _leave)
    silent = any(step(client, note, press) for step in ladder)
    told = "Telnyx confirmed" if silent else "Telnyx did not confirm"
    logger.warning("a supervisor was taken out without the database: %s", told)
    _audit_later(note, action="stopped without the database", detail=told)
    return silent


def _opened(sealed: str) -> Note | None:
    try:
        note: dict[str, Any] = json.loads(_cipher().decrypt(sealed.encode(), ttl=NOTE_SECONDS))
    except (InvalidToken, ValueError):
        return None
    return note if note["leg"] else None  # what the page did not know yet, it cannot vouch for


def _first_step(note: Note, way: Way) -> Command.Kind:
    """Return what the ordinary way would send: a leg of the center's own call flow is not hung up but taken out."""
    if way == Way.DISCONNECT and note.get("dialled", True):
        return Command.Kind.HANGUP
    if way == Way.QUIETER and not note.get("monitor_harms"):
        return Command.Kind.UPDATE
    return Command.Kind.LEAVE


def _send(client: Client, note: Note, kind: Command.Kind, press: Press, *, patience: float = PATIENCE) -> None:
    command_id, conference_id, my_leg = press.id_of(kind), note["conference"], MyLeg(note["leg"])
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
    """Look a few times: what Telnyx has accepted may show a moment later."""
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
    # A refusal or a silence says little: whether the call is dead does.
    with contextlib.suppress(Rejected, Unanswered):
        _send(client, note, Command.Kind.HANGUP, press, patience=LAST_PATIENCE)
    return _seen(lambda: _is_dead(client, note))


def _is_dead(client: Client, note: Note) -> bool:
    try:
        return not client.call(note["leg"], patience=PATIENCE).is_alive
    except Rejected as error:
        return error.status in {404, 422}
    except Unanswered:
        return False


def _audit_later(note: Note, *, action: str, detail: str) -> None:
    storing = partial(_store, note, action=action, detail=detail, at=clock())
    threading.Thread(target=storing, name="stop-audit", daemon=True).start()


def _store(note: Note, *, action: str, detail: str, at: datetime) -> None:
    """Write what was done into the audit as soon as the database is back."""
    for _ in range(STORE_TRIES):
        try:
            session = SupervisorSession.objects.select_related("conference").get(pk=note["session"])
            actor = User.objects.get(pk=note["user"])
            audit.record(action, at=at, actor=actor, conference=session.conference, session=session, detail=detail)
            return
        except DatabaseError:
            connection.close()
            time.sleep(STORE_EVERY_SECONDS)
        except (SupervisorSession.DoesNotExist, User.DoesNotExist):
            return
        finally:
            connection.close()


def _cipher() -> Fernet:
    key = hashlib.sha256(b"floorline stop note" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))

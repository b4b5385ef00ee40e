"""The stop that needs no database: what Leave does when nothing else works.

Every page that shows Leave carries a sealed note of which leg it would take out of which conference. When the ordinary
way fails, the note alone is enough: leave, and where Telnyx does not show that, hang up the supervisor's own leg.
The note is encrypted (a call_control_id never reaches a browser in the clear), signed, and good for one long call.
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
from typing import Any
from uuid import uuid4

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, connection

from conferences import audit
from conferences.clients import client_without_database
from conferences.models import SupervisorSession
from conferences.telnyx.client import Client, MyLeg, Rejected, Unanswered

from .commands import clock

NOTE_SECONDS = 4 * 60 * 60  # Telnyx' own limit for a leg
PATIENCE = 1.5
LOOK_AFTER = (0.0, 0.3)  # seconds
STORE_EVERY_SECONDS = 5.0
STORE_TRIES = 720

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
    }
    return _cipher().encrypt(json.dumps(note).encode()).decode()


def stop(sealed: str) -> bool:
    """Take the noted leg out; return whether Telnyx has been seen to have it out, so that nobody hears it any more."""
    try:
        note = json.loads(_cipher().decrypt(sealed.encode(), ttl=NOTE_SECONDS))
    except (InvalidToken, ValueError):
        return False
    if not note["leg"]:
        return False  # what the page did not know yet, it cannot vouch for
    client = client_without_database(note["account"])
    silent = _leave(client, note) or _hang_up(client, note)
    logger.warning(
        "a supervisor was taken out without the database: %s", "done" if silent else "Telnyx did not confirm"
    )
    threading.Thread(target=_store_later, args=(note, clock(), silent), name="stop-audit", daemon=True).start()
    return silent


def _leave(client: Client, note: Mapping[str, Any]) -> bool:
    try:
        client.leave(command_id=uuid4(), conference_id=note["conference"], my_leg=MyLeg(note["leg"]), patience=PATIENCE)
    except (Rejected, Unanswered):
        return False
    return _seen(lambda: _is_out(client, note))


def _seen(looks_done: Callable[[], bool]) -> bool:
    """Look a few times: what Telnyx has accepted may show a moment later."""
    for pause in LOOK_AFTER:
        time.sleep(pause)
        if looks_done():
            return True
    return False


def _is_out(client: Client, note: Mapping[str, Any]) -> bool:
    try:
        inside = client.participants(note["conference"], patience=PATIENCE)
    except (Rejected, Unanswered):
        return False
    return note["leg"] not in {read.call_control_id for read in inside}


def _hang_up(client: Client, note: Mapping[str, Any]) -> bool:
    # A refusal or a silence says little: whether the call is dead does.
    with contextlib.suppress(Rejected, Unanswered):
        client.hangup(command_id=uuid4(), my_leg=MyLeg(note["leg"]))
    return _seen(lambda: _is_dead(client, note))


def _is_dead(client: Client, note: Mapping[str, Any]) -> bool:
    try:
        return not client.call(note["leg"], patience=PATIENCE).is_alive
    except Rejected as error:
        return error.status in {404, 422}
    except Unanswered:
        return False


def _store_later(note: Mapping[str, Any], at: datetime, silent: bool) -> None:  # noqa: FBT001 - a thread's argument
    """Write what was done into the audit as soon as the database is back."""
    for _ in range(STORE_TRIES):
        try:
            session = SupervisorSession.objects.select_related("conference").get(pk=note["session"])
            audit.record(
                "stopped without the database",
                at=at,
                actor=User.objects.get(pk=note["user"]),
                conference=session.conference,
                session=session,
                detail="Telnyx confirmed" if silent else "Telnyx did not confirm",
            )
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

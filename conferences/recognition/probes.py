"""Marks the test calls of `floorline probe`, so that they never come on the board (docs/telnyx-facts.md, T30).

The mark is signed with this installation's key: what a call flow or a phone writes by itself hides nothing.
"""

from __future__ import annotations

import base64
import json

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

KEY = "floorline_probe"
NAME = "Floorline probe "
SIGNATURE_LENGTH = 16
# Each webhook is asked, so what cannot be a mark is told by its first letters.
BEGINNING = base64.b64encode(json.dumps({KEY: ""}).encode()[:18]).decode()


def client_state_of_probe(run: str) -> str:
    """Return the client_state of a probe's legs, and of its conference."""
    return base64.b64encode(json.dumps({KEY: _signed(run)}).encode()).decode()


def name_of_probe(run: str) -> str:
    """Return the name of a probe's conference: a listing tells no client_state."""
    return f"{NAME}{_signed(run)}"


def is_of_a_probe(client_state: object) -> bool:
    """Return whether a client_state is the mark of a probe of this installation."""
    if not isinstance(client_state, str) or not client_state.startswith(BEGINNING):
        return False
    try:
        return _is_signed(json.loads(base64.b64decode(client_state, validate=True))[KEY])
    except (ValueError, LookupError):
        return False


def is_name_of_a_probe(name: str) -> bool:
    """Return whether a conference's name is one that a probe of this installation gave."""
    return name.startswith(NAME) and _is_signed(name.removeprefix(NAME))


def _signed(run: str, *, key: str = "") -> str:
    secret = key or settings.SECRET_KEY
    signature = salted_hmac("conferences.recognition.probes", run, secret=secret, algorithm="sha256").hexdigest()
    return f"{run}.{signature[:SIGNATURE_LENGTH]}"


def _is_signed(token: object) -> bool:
    """Return whether a token is ours; an older key still counts, because a rebuild reads old webhooks again."""
    if not isinstance(token, str) or not (run := token.partition(".")[0]):
        return False
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(constant_time_compare(token, _signed(run, key=key)) for key in keys)

"""Lists the browsers in which somebody is signed in, and ends them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from conferences import audit, logins
from conferences.models import AuditEntry

from .clients import network_of

_OPENED = "opened"
# The first that fits: each names itself after those that it resembles.
_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
_SYSTEMS = {"Windows": "Windows", "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Mac OS": "macOS"}


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A browser in which somebody is signed in."""

    name: str
    """Tells it from others without being a key to it."""
    browser: str
    network: str
    since: datetime | None
    """None where an earlier version opened it."""
    is_this_one: bool


def note_opened(request: HttpRequest, *, now: datetime) -> None:
    """Keep in a new session from where it was opened, for its owner's list."""
    browser = _browser_of(request.headers.get("User-Agent", ""))
    request.session[_OPENED] = {"at": now.isoformat(), "network": network_of(request), "browser": browser}


def sessions_of(user: User, *, this: str | None, now: datetime) -> list[OpenSession]:
    """Return somebody's sessions, this one first, then the newest."""
    found = [_described(key, data, is_this_one=key == this) for key, data in logins.sessions_of(user, now=now).items()]
    return sorted(found, key=lambda one: (one.is_this_one, one.since.timestamp() if one.since else 0), reverse=True)


def end(user: User, names: Collection[str], *, this: str | None, now: datetime) -> int:
    """End those of somebody's sessions, but never the one that asks; return how many there were."""
    ended = {
        key: one
        for key, data in logins.sessions_of(user, now=now).items()
        if key != this and (one := _described(key, data, is_this_one=False)).name in names
    }
    with transaction.atomic():
        Session.objects.filter(session_key__in=ended).delete()
        for one in ended.values():
            detail = ", ".join(part for part in (one.browser, one.network) if part)
            audit.record(AuditEntry.Action.SESSION_ENDED, at=now, actor=user, detail=detail)
    return len(ended)


def _described(key: str, data: dict[str, Any], *, is_this_one: bool) -> OpenSession:
    opened = data.get(_OPENED, {})
    return OpenSession(
        name=salted_hmac("floorline.session", key).hexdigest()[:20],
        browser=opened.get("browser", "") or _("an unknown browser"),
        network=opened.get("network", ""),
        since=parse_datetime(opened.get("at", "")),
        is_this_one=is_this_one,
    )


def _browser_of(agent: str) -> str:
    """Return what a browser calls itself, in two words at most: "Firefox, Windows"."""
    named = [next((name for mark, name in known.items() if mark in agent), "") for known in (_BROWSERS, _SYSTEMS)]
    if not named[1] and re.search(r"\bLinux\b", agent):
        named[1] = "Linux"
    return ", ".join(filter(None, named))

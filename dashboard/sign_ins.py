"""Records in the audit who signed in, failed to, and signed out, from which network."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest
from django.utils import timezone

from conferences import audit
from conferences.models import AuditEntry
from dashboard.signing_in.clients import network_of

MOST_FAILURES = 200
WITHIN = timedelta(minutes=10)


def begin() -> None:
    """Listen to Django's sign-ins from now on, whichever page they come from."""
    user_logged_in.connect(_signed_in, dispatch_uid="audit")
    user_logged_out.connect(_signed_out, dispatch_uid="audit")
    user_login_failed.connect(_failed, dispatch_uid="audit")


def _signed_in(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    audit.record(AuditEntry.Action.SIGNED_IN, at=timezone.now(), actor=user, detail=network_of(request))


def _signed_out(request: HttpRequest, user: User | None, **_kwargs: Any) -> None:
    if user is not None:
        audit.record(AuditEntry.Action.SIGNED_OUT, at=timezone.now(), actor=user, detail=network_of(request))


def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_kwargs: Any) -> None:
    """Record a failure; of a flood only the first, because strangers must not fill the database."""
    now, action = timezone.now(), AuditEntry.Action.SIGN_IN_FAILED
    before = AuditEntry.objects.filter(at__gt=now - WITHIN, action=action).count()
    if before < MOST_FAILURES:
        told = [_whom(str(credentials.get("username", ""))), network_of(request), str(credentials.get("refused", ""))]
        told += ["further failures are not recorded for some minutes"] if before == MOST_FAILURES - 1 else []
        audit.record(action, at=now, actor=None, detail=", ".join(part for part in told if part))


def _whom(typed: str) -> str:
    """Return the user name that was tried where somebody has it: others may be a password in the wrong field."""
    return typed if User.objects.filter(username=typed).exists() else "an unknown user name"

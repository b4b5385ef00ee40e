"""Records in the audit who signed in, failed to, and signed out, from which network, and with which second factor."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.account import signals as account
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest
from django.utils import timezone

from conferences import audit, second_factor
from conferences.models import AuditEntry
from dashboard.signing_in import sessions
from dashboard.signing_in.clients import network_of
from dashboard.signing_in.single_sign_on import METHOD

MOST_FAILURES = 200
WITHIN = timedelta(minutes=10)


def begin() -> None:
    """Listen to sign-ins and second factors from now on, whichever page they come from."""
    user_logged_in.connect(_signed_in, dispatch_uid="audit")
    user_logged_out.connect(_signed_out, dispatch_uid="audit")
    user_login_failed.connect(_failed, dispatch_uid="audit")
    account.password_reset.connect(_password_reset, dispatch_uid="audit")
    mfa.authenticator_added.connect(_factor_added, dispatch_uid="audit")
    mfa.authenticator_reset.connect(_factor_added, dispatch_uid="audit")
    mfa.authenticator_used.connect(_factor_used, dispatch_uid="audit")
    mfa.authenticator_removed.connect(_factor_removed, dispatch_uid="audit")
    mfa.authentication_failed.connect(_code_failed, dispatch_uid="audit")


def _signed_in(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    now = timezone.now()
    if not getattr(request, "second_factor_proved", False):  # by the issuer of single sign-on
        request.session[second_factor.ASKED] = True
    sessions.note_opened(request, now=now)
    detail = ", ".join(part for part in (network_of(request), _by_issuer(request, user)) if part)
    audit.record(AuditEntry.Action.SIGNED_IN, at=now, actor=user, detail=detail)


def _by_issuer(request: HttpRequest, user: User) -> str:
    """Return what the audit says of a sign-in by single sign-on, and nothing of another."""
    for record in get_authentication_records(request, user):
        if record["method"] == METHOD:
            return f"by {METHOD}, with its second factor" if record["second_factor"] else f"by {METHOD}"
    return ""


def _signed_out(request: HttpRequest, user: User | None, **_kwargs: Any) -> None:
    if user is not None:
        audit.record(AuditEntry.Action.SIGNED_OUT, at=timezone.now(), actor=user, detail=network_of(request))


def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_kwargs: Any) -> None:
    _record_failure(request, _whom(str(credentials.get("username", ""))), str(credentials.get("refused", "")))


def _code_failed(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    _record_failure(request, user.get_username(), "wrong code")


def _record_failure(request: HttpRequest | None, whom: str, why: str) -> None:
    """Record a failure; of a flood only the first, because strangers must not fill the database."""
    now, action = timezone.now(), AuditEntry.Action.SIGN_IN_FAILED
    before = AuditEntry.objects.filter(at__gt=now - WITHIN, action=action).count()
    if before < MOST_FAILURES:
        told = [whom, network_of(request), why]
        told += ["further failures are not recorded for some minutes"] if before == MOST_FAILURES - 1 else []
        audit.record(action, at=now, actor=None, detail=", ".join(part for part in told if part))


def _password_reset(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    audit.record(AuditEntry.Action.PASSWORD_SET, at=timezone.now(), actor=user, detail="their own, by mail")


def _factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    made = AuditEntry.Action.RECOVERY_CODES_MADE, AuditEntry.Action.SECOND_FACTOR_ADDED
    _record_of(authenticator, request, user, *made)


def _factor_used(request: HttpRequest, user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    used = AuditEntry.Action.RECOVERY_CODE_USED, AuditEntry.Action.SECOND_FACTOR_USED
    _record_of(authenticator, request, user, *used)


def _factor_removed(user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:  # they go with it
        audit.record(AuditEntry.Action.SECOND_FACTOR_REMOVED, at=timezone.now(), actor=user, detail=user.get_username())


def _record_of(authenticator: Authenticator, request: HttpRequest, user: User, codes: str, factor: str) -> None:
    action = codes if authenticator.type == Authenticator.Type.RECOVERY_CODES else factor
    audit.record(action, at=timezone.now(), actor=user, detail=network_of(request))


def _whom(typed: str) -> str:
    """Return the user name that was tried where somebody has it: others may be a password in the wrong field."""
    return typed if User.objects.filter(username=typed).exists() else "an unknown user name"

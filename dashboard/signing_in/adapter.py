"""Tells django-allauth what Floorline does otherwise when somebody signs in."""

from __future__ import annotations

import logging
import time
from threading import Thread
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.signals import user_login_failed
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from . import devices
from .clients import address_of

log = logging.getLogger(__name__)
JUST_SIGNED_IN_SECONDS = 300


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Floorline's answers to what allauth asks about accounts."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": _("Wrong user name or password. Capital and small letters matter in both."),
        "too_many_login_attempts": _("Too many attempts failed. Wait some minutes, then try again."),
        "rate_limited": _("Too many attempts. Wait some minutes, then try again."),
        "incorrect_password": _("This is not your password."),
        "invalid_password_reset": _("This link is not valid, or no longer. Ask for another one."),
    }

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return whose attempts are counted together."""
        return address_of(request)

    def is_ajax(self, request: HttpRequest) -> bool:
        """Return whether to answer with JSON: never, these pages are pages."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count an attempt before the password is hashed, and refuse it where too many have failed.

        A browser on which this person has signed in before has a count of its own, so that strangers who guess do not
        keep its owner out. allauth takes the attempt back where the password is right.
        """
        username = str(credentials.get("username", ""))
        device = devices.device_of(request, username)
        self._login_failed_rl_usage = ratelimit.consume(
            request,
            app="allauth.account",
            action="password_failed_here" if device else "password_failed",
            key=device or username.casefold(),
        )
        if not self._login_failed_rl_usage:
            refused = {"username": username, "refused": "not checked, too many attempts"}
            user_login_failed.send(sender=__name__, credentials=refused, request=request)
            raise self.validation_error("too_many_login_attempts")

    def get_login_stages(self) -> list[str]:
        """Return what comes between a proof and the session: no code where the issuer has asked for a second factor."""
        stages: list[str] = super().get_login_stages()
        proved = getattr(self.request, "second_factor_proved", False)
        return [stage for stage in stages if not (proved and stage == "allauth.mfa.stages.AuthenticateStage")]

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse:
        """Send somebody who is in to their page, and remember their browser."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        devices.remember(request, response, user.get_username())
        return response

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        """Answer somebody who proved who they are, but whose account is deactivated."""
        messages.error(request, _("Your account is deactivated. Ask an admin."))
        return redirect("login")

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Return whether somebody has to prove again who they are; not for a second factor just after signing in."""
        if app == "allauth.mfa" and self.request is not None and _has_just_signed_in(self.request):
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the address in the mail: of this installation, whatever host the request named."""
        path: str = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return settings.PUBLIC_URL + path.replace("UID-KEY", key)

    def send_password_reset_mail(self, user: Any, email: str, context: dict[str, Any]) -> None:
        """Send the link beside the answer: how long it takes must not tell whether somebody has this address."""
        message = self.render_mail("account/email/password_reset_key", email, context)
        Thread(target=_send, args=(message,), name="mail", daemon=True).start()


def _send(message: EmailMessage) -> None:
    try:
        message.send()
    except OSError:
        log.exception("a mail could not be sent: look at EMAIL_URL")


def _has_just_signed_in(request: HttpRequest) -> bool:
    records = get_authentication_records(request, request.user)
    return bool(records) and time.time() - records[-1]["at"] < JUST_SIGNED_IN_SECONDS

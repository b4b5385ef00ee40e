"""Serves signing in and second factors: allauth's flows, Floorline's pages."""

from __future__ import annotations

import json
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.account.internal.stagekit import clear_login
from allauth.account.utils import get_next_redirect_url
from allauth.account.views import (
    LoginView,
    PasswordResetDoneView,
    PasswordResetFromKeyDoneView,
    PasswordResetFromKeyView,
    PasswordResetView,
    ReauthenticateView,
)
from allauth.mfa.base.views import AuthenticateView, IndexView
from allauth.mfa.base.views import ReauthenticateView as CodeReauthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import urlencode

from conferences import audit
from conferences.models import AuditEntry
from dashboard.signing_in import devices
from dashboard.signing_in.clients import network_of
from dashboard.signing_in.single_sign_on import METHOD, origin_of

from .framed import Framed


@method_decorator(login_not_required, name="dispatch")
class SignIn(LoginView):  # type: ignore[misc]  # allauth has no types
    template_name = "accounts/login.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the page shows, and which other ways in there are."""
        other = {"passkeys": settings.PASSKEYS, "issuer": settings.OIDC_NAME if settings.OIDC else ""}
        return {**super().get_context_data(**kwargs), **other}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer so that the button for single sign-on may lead to the issuer, from this page alone."""
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        if settings.OIDC:
            response._csp_update = {"form-action": [origin_of(settings.OIDC_ISSUER)]}  # type: ignore[attr-defined]
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        """Answer with what is wrong, and with 429 where nothing was checked."""
        response: HttpResponse = super().form_invalid(form)
        if form.is_throttled:
            response.status_code = 429
        return response


class PasswordReset(PasswordResetView):  # type: ignore[misc]
    template_name = "accounts/password_reset.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Send the link, where this installation sends mail at all."""
        answer: HttpResponseBase = super().post(request, *args, **kwargs) if settings.CAN_MAIL else self.get(request)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the page shows: a form, or whom to ask."""
        return {**super().get_context_data(**kwargs), "can_mail": settings.CAN_MAIL}


class PasswordResetDone(PasswordResetDoneView):  # type: ignore[misc]
    template_name = "accounts/password_reset_done.html"
    post = PasswordResetDoneView.get  # it says the same, whatever is sent


class PasswordFromLink(PasswordResetFromKeyView):  # type: ignore[misc]
    template_name = "accounts/password_reset_key.html"

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password; whoever has the mail has proved enough for strangers' failures not to keep them out."""
        response: HttpResponse = super().form_valid(form)
        devices.remember(self.request, response, self.reset_user.get_username())
        return response


class PasswordIsSet(PasswordResetFromKeyDoneView):  # type: ignore[misc]
    template_name = "accounts/password_reset_key_done.html"
    post = PasswordResetFromKeyDoneView.get


class SecondFactor(AuthenticateView):  # type: ignore[misc]
    template_name = "accounts/second_factor.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the page shows, and which second factors it may ask for."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        kinds = set(Authenticator.objects.filter(user=self.stage.login.user).values_list("type", flat=True))
        if Authenticator.Type.WEBAUTHN in kinds and "js_data" in context:
            context["question"] = json.dumps(context["js_data"]["request_options"])
        return {**context, "has_app": Authenticator.Type.TOTP in kinds}


@login_not_required
def start_again(request: HttpRequest) -> HttpResponse:
    """Forget a password that was right but waits for its second factor, where that is posted."""
    if request.method == "POST":
        clear_login(request)
    return redirect("login")


class SecondFactors(Framed, IndexView):  # type: ignore[misc]
    template_name = "accounts/second_factors.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what somebody has, and what they may add."""
        return {**super().get_context_data(**kwargs), "passkeys": settings.PASSKEYS}


class AddSecondFactor(ActivateTOTPView):  # type: ignore[misc]
    template_name = "accounts/second_factor_add.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the page shows, and whether there is another way than this one."""
        owed = getattr(self.request, "second_factor_owed", False)
        return {**super().get_context_data(**kwargs), "second_factor_owed": owed, "passkeys": settings.PASSKEYS}


class RemoveSecondFactor(Framed, DeactivateTOTPView):  # type: ignore[misc]
    template_name = "accounts/second_factor_remove.html"


class RecoveryCodes(Framed, ViewRecoveryCodesView):  # type: ignore[misc]
    template_name = "accounts/recovery_codes.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the codes, and record that they were shown."""
        context = super().get_context_data(**kwargs)
        shown = AuditEntry.Action.RECOVERY_CODES_VIEWED
        audit.record(shown, at=timezone.now(), actor=self.request.user, detail=network_of(self.request))
        return context


class NewRecoveryCodes(Framed, GenerateRecoveryCodesView):  # type: ignore[misc]
    template_name = "accounts/recovery_codes_new.html"


class Reauthenticate(ReauthenticateView):  # type: ignore[misc]
    template_name = "accounts/reauthenticate.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Ask; whoever came by single sign-on, and has nothing to answer with here, is told to come that way again."""
        by_issuer = any(one["method"] == METHOD for one in get_authentication_records(request, request.user))
        if settings.OIDC and by_issuer and not get_reauthentication_flows(request.user):
            return render(request, "accounts/sign_in_again.html", {"issuer": settings.OIDC_NAME})
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response


class ReauthenticateByCode(CodeReauthenticateView):  # type: ignore[misc]
    template_name = "accounts/reauthenticate.html"


@login_not_required
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """Send whoever wants to the admin to the one sign-in page, so that what is asked there holds here."""
    wanted = get_next_redirect_url(request) or "/admin/"
    if not request.user.is_authenticated:
        return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': wanted})}")
    if not (request.user.is_active and request.user.is_staff):
        raise PermissionDenied
    return redirect(wanted)

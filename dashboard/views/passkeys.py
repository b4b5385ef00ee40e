"""Serves passkeys: signing in by one, adding and removing them, and proving who one is."""

from __future__ import annotations

import json
from typing import Any

from allauth.mfa.webauthn.internal import auth
from allauth.mfa.webauthn.views import (
    AddWebAuthnView,
    LoginWebAuthnView,
    ReauthenticateWebAuthnView,
    RemoveWebAuthnView,
)
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.signals import user_login_failed
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _

from .framed import Framed


def _only_where_browsers_have_them() -> None:
    if not settings.PASSKEYS:
        raise Http404


@method_decorator(login_not_required, name="dispatch")
class SignInByPasskey(LoginWebAuthnView):  # type: ignore[misc]  # allauth has no types
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer where browsers have passkeys."""
        _only_where_browsers_have_them()
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the sign-in page: only its script comes here, by POST."""
        return redirect("login")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer with a question to sign, or sign in whoever has signed it."""
        if request.POST.get("credential"):
            response: HttpResponse = super().post(request, *args, **kwargs)
            return response
        return JsonResponse(auth.begin_authentication(user=None))

    def form_invalid(self, form: Any) -> HttpResponse:
        """Tell the failure, here and in the audit; nobody knows whose passkey it was to be."""
        credentials = {"username": "", "refused": "by a passkey"}
        user_login_failed.send(sender=__name__, credentials=credentials, request=self.request)
        messages.error(self.request, _("This passkey is not known here. Sign in another way, then add it again."))
        return redirect("login")


class AddPasskey(AddWebAuthnView):  # type: ignore[misc]
    template_name = "accounts/passkey_add.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer where browsers have passkeys."""
        _only_where_browsers_have_them()
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the page shows, and the question for a key that signs in without a password."""
        context = super().get_context_data(**kwargs)
        question = json.dumps(auth.begin_registration(self.request.user, passwordless=True))
        owed = getattr(self.request, "second_factor_owed", False)
        return {**context, "question": question, "second_factor_owed": owed}


class RemovePasskey(Framed, RemoveWebAuthnView):  # type: ignore[misc]
    template_name = "accounts/passkey_remove.html"
    success_url = reverse_lazy("mfa_index")


class ReauthenticateByPasskey(ReauthenticateWebAuthnView):  # type: ignore[misc]
    template_name = "accounts/reauthenticate.html"

    def form_invalid(self, form: Any) -> HttpResponse:
        """Ask again."""
        messages.error(self.request, _("That did not work. Try again, or use another way."))
        return redirect(self.request.get_full_path())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the page shows, and the question."""
        context = super().get_context_data(**kwargs)
        alternatives = self.get_reauthentication_alternatives()
        question = json.dumps(context["js_data"]["request_options"])
        return {**context, "question": question, "reauthentication_alternatives": alternatives}

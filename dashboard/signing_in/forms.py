"""Reads allauth's forms: the sign-in, with the field names that Floorline's had before, and passkeys."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)


class SignInForm(LoginForm):  # type: ignore[misc]  # allauth has no types
    """A user name and a password, sent as `username` and `password`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"] = self.fields.pop("login")

    def clean(self) -> dict[str, Any]:
        """Check both; allauth looks for the name under its own word."""
        if "username" in self.cleaned_data:
            self.cleaned_data["login"] = self.cleaned_data["username"]
        cleaned: dict[str, Any] = super().clean()
        return cleaned

    @property
    def is_throttled(self) -> bool:
        """Return whether nothing was checked, because too many attempts had failed."""
        return bool(self.has_error("__all__", "too_many_login_attempts"))


MALFORMED = (KeyError, TypeError, ValueError, AttributeError)
"""Errors of the library for passkeys about input that no browser sends; allauth answers only some of them."""


class _Signed:
    """Refuses what is no signature, however it is malformed."""

    def clean_credential(self) -> Authenticator:
        """Return the passkey that has signed."""
        try:
            return super().clean_credential()  # type: ignore[misc]
        except MALFORMED as error:
            raise get_adapter().validation_error("incorrect_code") from error


class SignInByPasskeyForm(_Signed, LoginWebAuthnForm):  # type: ignore[misc]
    """A signature instead of a password."""


class PasskeyAsSecondFactorForm(_Signed, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """A signature after a password."""


class ReauthenticateByPasskeyForm(_Signed, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """A signature of somebody who is signed in."""


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """A new passkey."""

    def clean(self) -> dict[str, Any]:
        """Refuse what is none, however it is malformed."""
        try:
            cleaned: dict[str, Any] = super().clean()
        except MALFORMED as error:
            raise get_adapter().validation_error("incorrect_code") from error
        return cleaned

"""Makes a supervisor on one page: with a password that is typed, or one that they set by a link in a mail."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import ResetPasswordForm
from django.conf import settings
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .generic import NewUserForm


def without_a_password() -> Any:
    """Return what somebody without a password does, where this installation knows such a way."""
    if settings.CAN_MAIL:
        return _("Send a link to their e-mail address, by which they set it")
    return _("None: they sign in with %(name)s") % {"name": settings.OIDC_NAME} if settings.OIDC else ""


class NewSupervisorForm(NewUserForm):
    """A new person with a password, or with another way to sign in."""

    usable_password = AdminUserCreationForm.create_usable_password_field(help_text="")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields.get("usable_password")
        if chosen is not None:
            chosen.label = _("Password")
            chosen.choices = [("true", _("Type it here")), ("false", without_a_password())]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if settings.CAN_MAIL and not cleaned.get("set_usable_password") and not cleaned.get("email"):
            self.add_error("email", ValidationError(_("Write the e-mail address that the link is sent to.")))
        return cleaned


def send_link(request: HttpRequest, user: User) -> None:
    """Send somebody the link of a forgotten password: they set their first one by it."""
    form = ResetPasswordForm({"email": user.email})
    if form.is_valid():
        form.users = [user]
        form.save(request)

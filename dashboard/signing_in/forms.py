"""Reads the sign-in form: allauth's, with the field names that Floorline's had before."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm


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

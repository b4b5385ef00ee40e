"""Encrypts text fields in the database with FIELD_KEYS."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


def _fernet() -> MultiFernet:
    """Return the cipher; the first key writes, every key reads, so keys can be rotated."""
    try:
        keys = [Fernet(key) for key in settings.FIELD_KEYS]
    except ValueError as error:
        raise ImproperlyConfigured(
            "FIELD_KEYS must be a comma-separated list of Fernet keys (32 bytes, URL-safe Base64). "
            "Make one with: floorline new_field_key"
        ) from error
    if not keys:
        raise ImproperlyConfigured(
            "FIELD_KEYS is needed to keep a secret in the database. Make one with: floorline new_field_key"
        )
    return MultiFernet(keys)


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # the class takes no parameters at run time
    """Text that only holders of FIELD_KEYS can read; the empty string stays empty.

    Raises ImproperlyConfigured when no key is set or none of the keys fits, never returns ciphertext.
    """

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return _fernet().encrypt(text.encode()).decode() if text else text

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        if not value:
            return value
        try:
            return _fernet().decrypt(value.encode()).decode()
        except InvalidToken as error:
            raise ImproperlyConfigured(
                f"None of the FIELD_KEYS can read {self.model.__name__}.{self.name}. Put the key it was written with "
                "back into FIELD_KEYS."
            ) from error

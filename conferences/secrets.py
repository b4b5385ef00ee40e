"""Encrypts text fields in the database with FIELD_KEYS, and brings what is stored under the newest of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.functions import Cast


def _keys() -> list[Fernet]:
    """Return the keys; the first writes, every key reads, so keys can be rotated."""
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
    return keys


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # the class takes no parameters at run time
    """Text that only holders of FIELD_KEYS can read; the empty string stays empty.

    Raises ImproperlyConfigured when no key is set or none of the keys fits, never returns ciphertext.
    """

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return MultiFernet(_keys()).encrypt(text.encode()).decode() if text else text

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        if not value:
            return value
        try:
            return MultiFernet(_keys()).decrypt(value.encode()).decode()
        except InvalidToken as error:
            raise ImproperlyConfigured(
                f"None of the FIELD_KEYS can read {self.model.__name__}.{self.name}. Put the key it was written with "
                "back into FIELD_KEYS."
            ) from error


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret as the database has it: encrypted, and in which row."""

    field: EncryptedTextField
    pk: Any
    token: str

    def __str__(self) -> str:
        return f"{self.field.model.__name__}.{self.field.name} of row {self.pk}"

    @property
    def is_under_newest_key(self) -> bool:
        """Return whether the first of FIELD_KEYS reads it."""
        return _reads(MultiFernet(_keys()[:1]), self.token)

    @property
    def is_readable(self) -> bool:
        """Return whether any of FIELD_KEYS reads it."""
        return _reads(MultiFernet(_keys()), self.token)

    def rotate(self) -> bool:
        """Encrypt it with the first of FIELD_KEYS; return whether the row still had this secret."""
        anew = MultiFernet(_keys()).rotate(self.token.encode()).decode()
        rows = _with_tokens(self.field).filter(pk=self.pk, token=self.token)
        return bool(rows.update(**{self.field.name: models.Value(anew, output_field=models.TextField())}))


def stored_secrets() -> Iterator[StoredSecret]:
    """Yield every secret in the database without decrypting it."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedTextField):
                rows = _with_tokens(field).exclude(token="").order_by("pk")
                for pk, token in rows.values_list("pk", "token"):
                    yield StoredSecret(field, pk, token)


def _with_tokens(field: EncryptedTextField) -> models.QuerySet[Any]:
    """Return the rows of a field's model, with what the column holds: a cast is read as it is."""
    rows: models.QuerySet[Any] = models.QuerySet(field.model)
    with_tokens: models.QuerySet[Any] = rows.annotate(token=Cast(field.name, models.TextField()))
    return with_tokens


def _reads(keys: MultiFernet, token: str) -> bool:
    try:
        keys.decrypt(token.encode())
    except InvalidToken:
        return False
    return True

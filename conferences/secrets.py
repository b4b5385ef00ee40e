"""Encrypts what is secret in the database, and brings what is stored under the newest key.

Text fields need FIELD_KEYS. Second factors work without, too: their key is then made of SECRET_KEY.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.functions import Cast


def _field_keys() -> list[Fernet]:
    """Return FIELD_KEYS; the first writes, every key reads, so keys can be rotated."""
    try:
        return [Fernet(key) for key in settings.FIELD_KEYS]
    except ValueError as error:
        raise ImproperlyConfigured(
            "FIELD_KEYS must be a comma-separated list of Fernet keys (32 bytes, URL-safe Base64). "
            "Make one with: floorline new_field_key"
        ) from error


def _field_cipher() -> MultiFernet:
    keys = _field_keys()
    if not keys:
        raise ImproperlyConfigured(
            "FIELD_KEYS is needed to keep a secret in the database. Make one with: floorline new_field_key"
        )
    return MultiFernet(keys)


def second_factor_cipher() -> MultiFernet:
    """Return the cipher of second factors: it writes with the newest key, and reads with the earlier ones, too."""
    return MultiFernet(_second_factor_keys())


def _second_factor_keys() -> list[Fernet]:
    """Return FIELD_KEYS, then a key made of each SECRET_KEY, for installations without any."""
    return [*_field_keys(), *map(_made_of, (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))]


def _made_of(secret_key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(sha256(b"second factors" + secret_key.encode()).digest()))


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # the class takes no parameters at run time
    """Text that only holders of FIELD_KEYS can read; the empty string stays empty.

    Raises ImproperlyConfigured when no key is set or none of the keys fits, never returns ciphertext.
    """

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return _field_cipher().encrypt(text.encode()).decode() if text else text

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        if not value:
            return value
        try:
            return _field_cipher().decrypt(value.encode()).decode()
        except InvalidToken as error:
            raise ImproperlyConfigured(
                f"None of the FIELD_KEYS can read {self.model.__name__}.{self.name}. Put the key it was written with "
                "back into FIELD_KEYS."
            ) from error


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret as the database has it: encrypted, which keys may read it, and how another token takes its place."""

    name: str
    token: str
    keys: list[Fernet]
    replace: Callable[[str], int]
    """Stores another token where this one still is, beside what was read with it; returns in how many rows."""

    def __str__(self) -> str:
        return self.name

    @property
    def is_under_newest_key(self) -> bool:
        """Return whether the first of its keys reads it."""
        return _reads(self.keys[:1], self.token)

    @property
    def is_readable(self) -> bool:
        """Return whether any of its keys reads it."""
        return _reads(self.keys, self.token)

    def rotate(self) -> bool:
        """Encrypt it with the first of its keys; return whether the row still was as it was read."""
        return bool(self.replace(MultiFernet(self.keys).rotate(self.token.encode()).decode()))


def stored_secrets() -> Iterator[StoredSecret]:
    """Yield every secret in the database without decrypting it."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedTextField):
                rows = _as_stored(model, field.name).exclude(stored="").order_by("pk")
                for pk, token in rows.values_list("pk", "stored"):
                    yield _of_field(field, pk, token)
    authenticators = _as_stored(apps.get_model("mfa", "Authenticator"), "data")
    for authenticator in authenticators.filter(type__in=_SECOND_FACTORS).order_by("pk"):
        yield _of_second_factor(authenticator)


def _of_field(field: EncryptedTextField, pk: Any, token: str) -> StoredSecret:
    def replace(anew: str) -> int:
        rows = _as_stored(field.model, field.name).filter(pk=pk, stored=token)
        return rows.update(**{field.name: models.Value(anew, output_field=models.TextField())})

    return StoredSecret(f"{field.model.__name__}.{field.name} of row {pk}", token, _field_keys(), replace)


_SECOND_FACTORS = {"totp": ("secret", "second factor"), "recovery_codes": ("seed", "recovery codes")}
"""For each type of authenticator: the part of its data that is encrypted, and its name. A passkey holds no secret."""


def _of_second_factor(authenticator: Any) -> StoredSecret:
    secret, called = _SECOND_FACTORS[authenticator.type]

    def replace(anew: str) -> int:
        # The rest of the data is compared, too: a recovery code that is used meanwhile stays used.
        rows = _as_stored(type(authenticator), "data").filter(pk=authenticator.pk, stored=authenticator.stored)
        return rows.update(data={**authenticator.data, secret: anew})

    name = f"{called} of user {authenticator.user_id}"
    return StoredSecret(name, authenticator.data[secret], _second_factor_keys(), replace)


def _as_stored(model: type[models.Model], column: str) -> models.QuerySet[Any]:
    """Return a model's rows with the text that a column holds: a cast is read as it is."""
    rows: models.QuerySet[Any] = models.QuerySet(model)
    as_stored: models.QuerySet[Any] = rows.annotate(stored=Cast(column, models.TextField()))
    return as_stored


def _reads(keys: list[Fernet], token: str) -> bool:
    if not keys:
        return False
    try:
        MultiFernet(keys).decrypt(token.encode())
    except InvalidToken:
        return False
    return True

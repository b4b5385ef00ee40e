"""Reads the public keys in force at each webhook address."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from conferences.models import Account
from conferences.telnyx.inbound import PublicKey, SignatureRefused, public_key
from conferences.webhook_addresses import slug_in

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """The public keys in force at each address, and to which account each belongs."""

    of_all: dict[PublicKey, int] = field(default_factory=dict)
    by_slug: dict[str, dict[PublicKey, int]] = field(default_factory=dict)

    def at(self, path: str) -> Mapping[PublicKey, int]:
        """Return the keys that count at an address; raise SignatureRefused where it is no account's."""
        slug = slug_in(path)
        if slug is None:
            return self.of_all
        if slug not in self.by_slug:
            raise SignatureRefused("address")
        return self.by_slug[slug]


def read_keys() -> KnownKeys:
    """Read the public keys of every account in use; one that cannot be used is named in the log and left out."""
    known = KnownKeys()
    # Not the API key: a database whose FIELD_KEYS are lost must still take webhooks in.
    for account in Account.objects.defer("api_key").filter(is_active=True).order_by("-id"):
        keys = _keys_of(account)
        known.of_all.update(keys)
        if account.slug:
            known.by_slug[account.slug] = keys
    return known


def _keys_of(account: Account) -> dict[PublicKey, int]:
    keys: dict[PublicKey, int] = {}
    for text in account.public_keys_in_force():
        try:
            keys[public_key(text)] = account.pk
        except ValueError:
            logger.error("a public key of account %s is not 32 bytes in Base64", account.pk)
    return keys

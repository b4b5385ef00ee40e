"""Gives each account its webhook address, and the first one alone the environment (decision 20)."""

from __future__ import annotations

from itertools import count
from typing import Any

from django.conf import settings
from django.db import migrations
from django.utils.text import slugify

# Every account took these from the environment before; the others keep them, now in their own row.
FROM_ENVIRONMENT = {
    "public_keys": lambda: "\n".join(settings.TELNYX_PUBLIC_KEYS),
    "ear_connection_id": lambda: settings.TELNYX_CONNECTION_ID,
    "from_number": lambda: settings.TELNYX_FROM_NUMBER,
}


def fill(apps: Any, _editor: Any) -> None:
    """Fill the new columns of the accounts that are stored."""
    accounts, taken = apps.get_model("conferences", "Account").objects, set[str]()
    for account in accounts.defer("api_key").order_by("pk"):
        is_default = not taken
        kept = {} if is_default else {name: getattr(account, name) or read() for name, read in FROM_ENVIRONMENT.items()}
        slug = _free(slugify(account.name)[:40].strip("-_") or "account", taken)
        taken.add(slug)
        accounts.filter(pk=account.pk).update(slug=slug, is_default=is_default, **kept)
        # A key is kept encrypted or not at all: without FIELD_KEYS a check says that the account has none.
        if not is_default and settings.TELNYX_API_KEY and settings.FIELD_KEYS:
            accounts.filter(pk=account.pk, api_key="").update(api_key=settings.TELNYX_API_KEY)


def _free(stem: str, taken: set[str]) -> str:
    return stem if stem not in taken else next(slug for n in count(2) if (slug := f"{stem}-{n}") not in taken)


class Migration(migrations.Migration):
    dependencies = [("conferences", "0032_account_addresses")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]

"""Checks what serving needs; `serve` runs the checks before it starts, `check --deploy` on demand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port, validate_host

from conferences.models import Account
from conferences.models.account import Credentials
from conferences.telnyx.inbound import is_public_key
from dashboard.serving import programs
from dashboard.settings import host_of, is_loopback

TAG = "floorline"


@register(TAG, deploy=True)
def settings_fit(**_: Any) -> list[CheckMessage]:
    """Check the settings that only the environment gives."""
    return [*_secret_key(), *_hosts(), *_public_url(), *_field_keys(), *_debug()]


@register(TAG, deploy=True)
def accounts_are_complete(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check each Telnyx account, completed from the environment.

    Silent unless the database may be asked: what the environment lacks, a row may say.
    """
    if not databases:
        return []
    try:
        accounts = list(Account.objects.order_by("pk")) or [Account()]
        return [problem for account in accounts for problem in _account(account.credentials())]
    except ImproperlyConfigured as error:
        return [Error(str(error), id="floorline.E006")]


def _secret_key() -> Iterator[CheckMessage]:
    mend = "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
    if not settings.SECRET_KEY_GIVEN:
        yield Error("SECRET_KEY is missing.", hint=mend, id="floorline.E001")
    elif len(settings.SECRET_KEY) < 32 or len(set(settings.SECRET_KEY)) < 5:
        text = "SECRET_KEY is too short or too simple to protect sessions."
        # A local Telnyx has no real callers to protect; a real account is never served with such a key.
        yield (
            Caution(text, hint=mend, id="floorline.W004")
            if settings.SANDBOX
            else Error(text, hint=mend, id="floorline.E001")
        )


def _account(credentials: Credentials) -> Iterator[CheckMessage]:
    portal = "Copy it from the Telnyx portal: docs/telnyx-setup.md says where."
    yield from _missing(credentials)
    if credentials.api_key and not re.fullmatch(r"[!-~]+", credentials.api_key):
        yield Error("TELNYX_API_KEY holds a blank or a sign that no key has.", hint=portal, id="floorline.E002")
    if not all(is_public_key(key) for key in credentials.public_keys):
        yield Error(
            "TELNYX_PUBLIC_KEY is not a public key: 32 bytes in Base64, 44 signs, several parted by commas.",
            hint=portal,
            id="floorline.E003",
        )
    if credentials.ear_connection_id and not re.fullmatch(r"[0-9A-Za-z-]{1,64}", credentials.ear_connection_id):
        yield Error("TELNYX_CONNECTION_ID is not the id of an application.", hint=portal, id="floorline.E004")
    if credentials.from_number and not re.fullmatch(r"\+[1-9][0-9]{6,14}", credentials.from_number):
        number = "Give a number of your account with its country code, for example +15551230000."
        yield Error("TELNYX_FROM_NUMBER is not a phone number.", hint=number, id="floorline.E005")


def _missing(credentials: Credentials) -> Iterator[CheckMessage]:
    """Name what is still to be set up: a new installation has to be served for that."""
    needed = {
        "TELNYX_API_KEY": credentials.api_key,
        "TELNYX_PUBLIC_KEY": credentials.public_keys,
        "TELNYX_CONNECTION_ID": credentials.ear_connection_id,
        "TELNYX_FROM_NUMBER": credentials.from_number,
    }
    if missing := [name for name, value in needed.items() if not value]:
        yield Caution(
            f"Not set up yet: {', '.join(missing)}.",
            hint="Sign in as an administrator: the guide (Set up, in the top bar) leads to where each is entered.",
            id="floorline.W006",
        )


def _field_keys() -> Iterator[CheckMessage]:
    try:
        for key in settings.FIELD_KEYS:
            Fernet(key)
    except ValueError:
        yield Error(
            "FIELD_KEYS holds something that is not a key: 32 bytes in URL-safe Base64, parted by commas.",
            hint=f"Make one with: {programs.as_typed()} new_field_key",
            id="floorline.E006",
        )


def _hosts() -> Iterator[CheckMessage]:
    unusable = [
        host
        for host in settings.ALLOWED_HOSTS
        if "/" in host or (host != "*" and split_domain_port(host.removeprefix("."))[1])
    ]
    public = host_of(settings.PUBLIC_URL)
    if unusable:
        yield Error(
            f"ALLOWED_HOSTS holds what no browser sends as a host: {', '.join(unusable)}.",
            hint="Write host names alone, without https:// and without a port: floor.example.com",
            id="floorline.E007",
        )
    elif not validate_host(public, settings.ALLOWED_HOSTS):
        yield Error(
            f"ALLOWED_HOSTS does not allow {public}, the host of PUBLIC_URL: every page there would answer 400.",
            hint=f"Add {public} to ALLOWED_HOSTS, or unset it: the host of PUBLIC_URL is allowed by itself.",
            id="floorline.E007",
        )
    if "*" in settings.ALLOWED_HOSTS and not settings.SANDBOX:
        yield Caution(
            "ALLOWED_HOSTS allows every host name.",
            hint="Name the host of PUBLIC_URL instead.",
            id="floorline.W001",
        )


def _public_url() -> Iterator[CheckMessage]:
    if urlsplit(settings.PUBLIC_URL).path:
        yield Error(
            "PUBLIC_URL names a folder, but Floorline wants a host of its own.",
            hint="Give it a name such as https://floor.example.com",
            id="floorline.E008",
        )
    if settings.SANDBOX:
        return
    if is_loopback(settings.PUBLIC_URL):
        yield Caution(
            f"Telnyx cannot reach {settings.PUBLIC_URL}, so no webhook will arrive.",
            hint="Set PUBLIC_URL to the address under which the internet reaches this machine.",
            id="floorline.W002",
        )
    elif not settings.SECURE:
        yield Caution(
            "PUBLIC_URL is not https: passwords and customers' numbers travel in the clear.",
            hint="Put a proxy with a certificate in front, and write https:// into PUBLIC_URL.",
            id="floorline.W003",
        )


def _debug() -> Iterator[CheckMessage]:
    if settings.DEBUG and not settings.SANDBOX:
        yield Error(
            "DEBUG shows settings and code to everybody who provokes an error.",
            hint="Unset DEBUG when serving a real account.",
            id="floorline.E009",
        )

"""Examines what joins Floorline to Telnyx: background work, webhooks, accounts, the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import requests
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from conferences.models import Account, Lease, WebhookEvent
from conferences.models.account import Feed
from conferences.telnyx.greeting import NoAnswer, greet
from conferences.telnyx.refusals import Refusal, cause_of
from conferences.webhook_addresses import PLAIN_PATH
from dashboard.serving import programs
from dashboard.settings import is_loopback

from .findings import Finding, Level

CLOCK_IS_OFF, CLOCK_IS_WRONG = timedelta(seconds=3), timedelta(seconds=60)
"""Signatures are refused at 300 s; Telnyx tells its time in whole seconds."""
BY_NTP = "Keep it by NTP (timedatectl set-ntp true): webhooks are refused when it is 300 s off."
SILENCE = timedelta(hours=1)
SECONDS = (3.05, 5.0)
LOOK_AT_THE_ACCOUNT = "Look at the account in the Telnyx portal: its state, its balance, its verification."
REFUSALS = {
    Refusal.KEY: (
        "Telnyx does not know the API key",
        "Copy it anew from the portal (docs/telnyx-setup.md, step 1).",
    ),
    Refusal.ACCOUNT: ("the Telnyx account is inactive, blocked or not verified", LOOK_AT_THE_ACCOUNT),
    Refusal.NOT_ALLOWED: (
        "Telnyx does not allow listing conferences",
        f"Give the key the right to Voice. {LOOK_AT_THE_ACCOUNT}",
    ),
    Refusal.FEATURE: ("the Telnyx account may not use Voice", LOOK_AT_THE_ACCOUNT),
    Refusal.RATE: ("Telnyx limits the requests of this key now", "Lower “reads per second” of the account."),
}


def background_work(now: datetime) -> Iterator[Finding]:
    """Report whether a worker is at work."""
    if Lease.objects.filter(expires_at__gt=now).exists():
        yield Finding(Level.OK, "worker", "at work")
    else:
        mend = f"Start Floorline ({programs.as_typed()} serve), or the worker alone ({programs.as_typed()} worker)."
        yield Finding(Level.WARN, "worker", "none is at work: nothing is compared with Telnyx, no line followed", mend)


def webhook_addresses() -> Iterator[Finding]:
    """Ask our own public addresses, as far as this machine can: a GET is answered 405 by the webhooks' route alone."""
    plain = f"{settings.PUBLIC_URL}{PLAIN_PATH}"
    if is_loopback(settings.PUBLIC_URL) and not settings.SANDBOX:
        mend = "Set PUBLIC_URL to the address under which the internet reaches this machine; or use the feed “polling”."
        yield Finding(Level.WARN, "webhooks", f"Telnyx cannot reach {plain}", mend)
        return
    accounts = Account.objects.filter(is_active=True).only("slug").order_by("pk")
    urls = dict.fromkeys([plain, *(account.webhook_url for account in accounts)])
    # Only the first that fails is told: they have one proxy in front of them.
    failed = next(filter(None, map(_why_not_answered, urls)), None)
    yield failed or Finding(Level.OK, "webhooks", f"answered by Floorline (asked from this machine): {', '.join(urls)}")


def _why_not_answered(url: str) -> Finding | None:
    try:
        status = requests.get(url, timeout=SECONDS, allow_redirects=False).status_code
    except requests.RequestException as error:
        mend = "Is Floorline running, and does the proxy pass this address on? From here it may differ from outside."
        return Finding(Level.FAIL, "webhooks", f"{url} does not answer ({type(error).__name__})", mend)
    if status == requests.codes.method_not_allowed:
        return None
    mend = "Something else answers there. Pass the path on unchanged (deploy/nginx.conf), without a redirect."
    return Finding(Level.FAIL, "webhooks", f"{url} answers a GET with {status}, not 405", mend)


def webhooks(now: datetime) -> Iterator[Finding]:
    """Report when the newest webhook arrived, and accounts whose clock differs from ours."""
    newest = WebhookEvent.objects.order_by("-received_at").values_list("received_at", flat=True).first()
    in_use = Account.objects.filter(is_active=True)
    polled = not in_use.exclude(feed=Feed.POLLING).exists()
    if polled:
        yield Finding(Level.OK, "webhooks", "not needed: every account is polled")
    elif newest is None:
        mend = "Place a call. The application's webhook address must be the one above, API version 2."
        yield Finding(Level.WARN, "webhooks", "none has ever arrived", mend)
    elif now - newest > SILENCE:
        text = f"the newest arrived at {newest:%Y-%m-%d %H:%M} UTC"
        yield Finding(
            Level.WARN, "webhooks", text, "Fine where nobody has called since; else look at the address above."
        )
    else:
        yield Finding(Level.OK, "webhooks", f"the newest arrived {int((now - newest).total_seconds())} s ago")
    for account in in_use.only("name", "heard_at", "clock_ahead").order_by("pk"):
        if off := account.clock_is_off_by(now=now):
            way = "ahead of" if off > 0 else "behind"
            yield Finding(
                Level.WARN, "clock", f"{abs(off)} s {way} the times that {account}’s webhooks are signed with", BY_NTP
            )


def accounts() -> Iterator[Finding]:
    """Report what Telnyx answers to each account in use that has a key."""
    for account in Account.objects.filter(is_active=True).order_by("pk"):
        try:
            credentials = account.credentials()
        except ImproperlyConfigured:
            continue  # told above, as E006
        if credentials.api_key:
            yield from _account(f"account {account}", api_base=credentials.api_base, api_key=credentials.api_key)


def _account(about: str, *, api_base: str, api_key: str) -> Iterator[Finding]:
    try:
        greeting = greet(api_base=api_base, api_key=api_key)
    except NoAnswer as error:
        mend = "Does this machine reach the internet (HTTPS, no proxy)? Is Telnyx well?"
        yield Finding(Level.FAIL, about, f"Telnyx does not answer ({error})", mend)
        return
    if greeting.status == requests.codes.ok:
        yield Finding(Level.OK, about, "Telnyx lists its conferences")
    else:
        cause = cause_of(status=greeting.status, code=greeting.code, carrier_code=greeting.carrier_code)
        answered = f"Telnyx answers {greeting.status} {greeting.code}".strip()
        text, mend = REFUSALS.get(cause, (answered, "Try again; then look at TELNYX_API_BASE."))
        yield Finding(Level.FAIL, about, text, mend)
    if greeting.at:
        yield _clock(abs(timezone.now() - greeting.at))


def _clock(off: timedelta) -> Finding:
    text = f"{off.total_seconds():.0f} s away from Telnyx’"
    if off >= CLOCK_IS_WRONG:
        return Finding(Level.FAIL, "clock", text, BY_NTP)
    if off >= CLOCK_IS_OFF:
        return Finding(Level.WARN, "clock", text, BY_NTP)
    return Finding(Level.OK, "clock", f"within {CLOCK_IS_OFF.seconds} s of Telnyx’")

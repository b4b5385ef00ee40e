"""Tries what an admin asks for: an account's key, our webhook address, the registration of a phone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import requests
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from conferences.models.account import Credentials
from conferences.names import listed, plain
from conferences.telnyx.addresses import read_address
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.greeting import NoAnswer, greet
from conferences.telnyx.setup import CredentialKind, Registration, SetupClient

from .refusal_words import in_words, why_refused

CLOCK_IS_OFF = timedelta(seconds=3)  # Telnyx tells its time in whole seconds, and an answer is on its way
OWN_ADDRESS_SECONDS = (3.05, 5.0)
NAMED = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one trial."""

    good: bool
    text: str


def try_key(credentials: Credentials, client: SetupClient, *, clock: Callable[[], datetime]) -> list[Outcome]:
    """Ask Telnyx with an account's key: whether it works, what time it is there, and which applications it sees."""
    asked_at = clock()
    try:
        greeting = greet(api_base=credentials.api_base, api_key=credentials.api_key)
    except NoAnswer:
        return [Outcome(good=False, text=in_words(Unanswered("no answer")))]
    outcomes = [_clock(greeting.at, asked_at=asked_at, answered_at=clock())] if greeting.at else []
    if greeting.status != requests.codes.ok:
        refused = why_refused(status=greeting.status, code=greeting.code, carrier_code=greeting.carrier_code)
        return [Outcome(good=False, text=refused), *outcomes]
    works = Outcome(good=True, text=_("The key works: Telnyx lists its conferences."))
    return [works, *outcomes, _applications(client)]


def _clock(at: datetime, *, asked_at: datetime, answered_at: datetime) -> Outcome:
    """Tell how far our clock is from Telnyx', which wrote its time while it answered."""
    ahead = asked_at - at if at < asked_at else min(answered_at - at, timedelta(0))
    if abs(ahead) < CLOCK_IS_OFF:
        return Outcome(good=True, text=_("This server’s clock is right, to a few seconds."))
    seconds = {"seconds": round(abs(ahead).total_seconds())}
    text = (
        _("This server’s clock is %(seconds)d s ahead of Telnyx’. Keep it by NTP: at 300 s every webhook is refused.")
        if ahead > timedelta(0)
        else _(
            "This server’s clock is %(seconds)d s behind Telnyx’. Keep it by NTP: at 300 s every webhook is refused."
        )
    )
    return Outcome(good=False, text=text % seconds)


def _applications(client: SetupClient) -> Outcome:
    try:
        seen = client.applications().rows
    except (Rejected, Unanswered) as error:
        return Outcome(good=False, text=_("Applications: %(why)s") % {"why": in_words(error)})
    if not seen:
        return Outcome(good=False, text=_("The key sees no Call Control application. Create the ear application."))
    named = listed([plain(each.name) or each.id for each in seen[:NAMED]])
    text = ngettext(
        "It sees %(count)d application: %(names)s.", "It sees %(count)d applications: %(names)s.", len(seen)
    )
    return Outcome(good=True, text=text % {"count": len(seen), "names": named})


def try_webhook_address(address: str) -> Outcome:
    """Post something unsigned to our own public address: Floorline, and hardly anything else, answers 401."""
    try:
        # No proxies from the environment: Telnyx does not go through them either.
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(address, json={}, timeout=OWN_ADDRESS_SECONDS, allow_redirects=False)
    except requests.exceptions.SSLError:
        return Outcome(
            good=False, text=_("The certificate of this address is not valid. Telnyx refuses such addresses.")
        )
    except requests.RequestException:
        return Outcome(
            good=False,
            text=_(
                "Nothing answers at this address, asked from this server. Is Floorline running, and does the proxy "
                "pass the address on?"
            ),
        )
    if answer.status_code == requests.codes.unauthorized and "WWW-Authenticate" not in answer.headers:
        return Outcome(good=True, text=_("Floorline answers there, and it refused what Telnyx had not signed."))
    return Outcome(good=False, text=_answered_by_another(answer))


def _answered_by_another(answer: requests.Response) -> str:
    if answer.status_code == requests.codes.unauthorized:
        return _("Something asks for a password there. Let the webhooks’ address through without one.")
    if answer.is_redirect:
        return _("The address sends one on to another. Telnyx’ webhooks need an answer there, without a redirect.")
    return _("Something else than Floorline answers there: %(status)d, not 401. Pass the path on unchanged.") % {
        "status": answer.status_code
    }


def try_registration(account_client: SetupClient, address: str, *, now: datetime) -> Outcome:
    """Ask Telnyx whether the SIP phone at an address is registered."""
    phone = read_address(address)
    if not phone.at_telnyx:
        return Outcome(good=False, text=_("This phone does not register at Telnyx, so Telnyx knows nothing of it."))
    try:
        generated = {each.sip_username.lower() for each in account_client.telephony_credentials().rows}
        kind = CredentialKind.TELEPHONY if phone.user.lower() in generated else CredentialKind.CONNECTION
        found = account_client.registration(kind=kind, username=phone.user)
    except Rejected as error:
        if error.status == requests.codes.not_found:
            return Outcome(good=False, text=_("This account has no phone of that user name."))
        return Outcome(good=False, text=in_words(error))
    except Unanswered as error:
        return Outcome(good=False, text=in_words(error))
    return _registration(found, now=now)


def _registration(found: Registration, *, now: datetime) -> Outcome:
    if not found.registered:
        return Outcome(good=False, text=_("The phone is not registered. Is it switched on, and signed in at Telnyx?"))
    if found.since is None or found.lifetime_seconds is None:
        return Outcome(good=True, text=_("The phone is registered."))
    left = found.since + timedelta(seconds=found.lifetime_seconds) - now
    text = _(
        "The phone is registered, for %(minutes)d minutes more unless it renews that. One that was switched off "
        "without signing out stays registered until then."
    )
    return Outcome(good=True, text=text % {"minutes": max(0, round(left.total_seconds() / 60))})

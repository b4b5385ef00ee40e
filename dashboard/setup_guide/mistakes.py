"""Recognises the usual mistakes of a set-up, and says how each is mended.

Each function looks at the evidence for one mistake. A mistake counts until something newer shows that it is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conferences import names
from conferences.account_setup.ear_application import comes_here, faults_of
from conferences.telnyx.inbound import TEXML, VERSION_1
from conferences.telnyx.refusals import Refusal

from .evidence import LATELY, AccountEvidence

UNAVAILABLE, FORBIDDEN, NOT_FOUND = "480", "403", "404"
"""SIP statuses: https://developers.telnyx.com/docs/voice/sip-trunking/troubleshooting/response-codes"""
UNREACHED = frozenset({"unspecified", "not_found", "call_rejected"})
"""The causes of a hang-up by which Telnyx tells that a phone was not reached."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A sentence about a mistake, and one about its mend."""

    said: str
    mend: str


Recognises = Callable[[AccountEvidence], Iterator[Mistake]]
Sentences = tuple[Promise, Promise]
"""A sentence about a mistake, and one about its mend."""

_MORE_CHANNELS = gettext_lazy("Ask Telnyx for more channels, or lower “supervisor phones at once” of this account.")
_EAR_APPLICATION: dict[Refusal, Sentences] = {
    Refusal.NO_PROFILE: (
        gettext_lazy("The ear application has no outbound voice profile (D38)."),
        gettext_lazy("Choose one in the portal: the application, Outbound."),
    ),
    Refusal.PROFILE: (
        gettext_lazy("The outbound voice profile does not allow the call."),
        gettext_lazy("Look at the profile in the portal: is it enabled, and is its spending limit reached?"),
    ),
    Refusal.COUNTRY: (
        gettext_lazy("The outbound voice profile does not allow the country of a supervisor's phone (D13)."),
        gettext_lazy("Allow the country in the profile: Voice, Outbound Voice Profiles, Allowed Destinations."),
    ),
    Refusal.CONNECTION: (
        gettext_lazy("Telnyx does not accept the id of the ear application."),
        gettext_lazy("Copy the id of the application from the portal again. It must be a Call Control application."),
    ),
    Refusal.ACCOUNT_LINES: (gettext_lazy("All channels of the Telnyx account were in use."), _MORE_CHANNELS),
    Refusal.PROFILE_LINES: (gettext_lazy("All channels of the outbound voice profile were in use."), _MORE_CHANNELS),
    Refusal.CONNECTION_LINES: (gettext_lazy("All channels of the ear application were in use."), _MORE_CHANNELS),
}
_CALLER_NUMBER: dict[Refusal, Sentences] = {
    Refusal.CALLER_NUMBER: (
        gettext_lazy("Telnyx does not accept the number that supervisors' phones show."),
        gettext_lazy("Enter a number of this Telnyx account, in the form +15551230000."),
    ),
}
_REFUSED: dict[str, Sentences] = {
    "mismatch": (
        gettext_lazy("Webhooks arrive that another key has signed."),
        gettext_lazy("Copy the public key from the portal again. A forwarder must pass the raw body on, unchanged."),
    ),
    "address": (
        gettext_lazy("Webhooks arrive at the address of no account."),
        gettext_lazy("Copy the webhook address again: the admin shows it on the account. An account must be in use."),
    ),
    "stale": (
        gettext_lazy("Webhooks arrive whose signature is too old or too new."),
        gettext_lazy("Compare this server's clock. A forwarder must not keep webhooks back."),
    ),
    "missing": (
        gettext_lazy("Webhooks arrive without a signature."),
        gettext_lazy("A forwarder must pass both signature headers on. If you have none, these are strangers."),
    ),
}
_DAMAGED = (
    gettext_lazy("Webhooks arrive with a damaged signature."),
    gettext_lazy("A forwarder must pass both signature headers on, unchanged."),
)
_FORMATS: dict[str, Sentences] = {
    VERSION_1: (
        gettext_lazy("Webhooks of API version 1 arrive. Floorline cannot read them."),
        gettext_lazy("Set the webhook API version of the application or connection to 2."),
    ),
    TEXML: (
        gettext_lazy("Webhooks of TeXML arrive. Floorline cannot read them."),
        gettext_lazy("Use a Call Control application: a TeXML application sends something else."),
    ),
}


def not_read(seen: AccountEvidence) -> Iterator[Mistake]:
    """Tell why Telnyx does not let us read."""
    if seen.check_problem:
        yield Mistake(seen.check_problem, _("Look at the key, and at the account in the Telnyx portal."))


def refused_webhooks(seen: AccountEvidence) -> Iterator[Mistake]:
    """Recognise a wrong public key, and forwarders that change, delay or strip what they pass on."""
    for reason, at in seen.refused.items():
        if reason not in _FORMATS and (seen.heard_at is None or at > seen.heard_at):
            said, mend = _REFUSED.get(reason, _DAMAGED)
            yield Mistake(str(said), str(mend))


def wrong_format(seen: AccountEvidence) -> Iterator[Mistake]:
    """Recognise applications that are set to version 1 or TeXML: some sign what they send, some do not."""
    for kind, (said, mend) in _FORMATS.items():
        newest = max(filter(None, (seen.unreadable.get(kind), seen.refused.get(kind))), default=None)
        if newest is not None and seen.now - newest < LATELY:
            yield Mistake(str(said), str(mend))


def wrong_clock(seen: AccountEvidence) -> Iterator[Mistake]:
    """Recognise a clock that is wrong, before it is so wrong that signatures are refused."""
    if seen.clock_off:
        sentence = (
            _("This server's clock is %(seconds)d s ahead of Telnyx'.")
            if seen.clock_off > 0
            else _("This server's clock is %(seconds)d s behind Telnyx'.")
        )
        mend = _("Keep it by NTP (timedatectl set-ntp true): at 300 s every webhook is refused.")
        yield Mistake(sentence % {"seconds": abs(seen.clock_off)}, mend)


def stopped_feed(seen: AccountEvidence) -> Iterator[Mistake]:
    """Tell that webhooks came, and come no longer."""
    if seen.stopped_since is not None:
        mend = _("Look whether Telnyx, or your forwarder, still posts to %(url)s.") % {"url": seen.webhook_url}
        yield Mistake(_("Webhooks have stopped arriving."), mend)


def wrong_region(seen: AccountEvidence) -> Iterator[Mistake]:
    """Recognise conferences that run elsewhere than where Telnyx is asked for them."""
    if seen.conferences_not_found:
        said = ngettext(
            "Telnyx does not know %(number)d live call when asked in this region: %(region)s.",
            "Telnyx does not know %(number)d live calls when asked in this region: %(region)s.",
            seen.conferences_not_found,
        ) % {"number": seen.conferences_not_found, "region": seen.region}
        yield Mistake(said, _("Choose the region in which your call flow creates its conferences."))


def bridged_calls(seen: AccountEvidence) -> Iterator[Mistake]:
    """Recognise a call flow that connects two phones without a conference."""
    if seen.bridged_at is not None and seen.now - seen.bridged_at < LATELY:
        yield Mistake(
            _("Calls are bridged without a conference. Nobody can listen to them, and the floor does not show them."),
            _("Let the call flow create a conference with the customer's leg, and let the agent's leg join it."),
        )


def refused_ear_application(seen: AccountEvidence) -> Iterator[Mistake]:
    """Recognise what is wrong with the ear application, its profile or its channels, by a dial that was refused."""
    yield from _of_refused_dial(seen, _EAR_APPLICATION)


def refused_caller_number(seen: AccountEvidence) -> Iterator[Mistake]:
    """Recognise a caller number that is not the account's."""
    yield from _of_refused_dial(seen, _CALLER_NUMBER)


def other_refused_dial(seen: AccountEvidence) -> Iterator[Mistake]:
    """Tell any other refusal as it was told to the supervisor."""
    dial = seen.refused_dial
    if dial is not None and not _is_mended(seen, dial.at) and dial.cause not in _EAR_APPLICATION | _CALLER_NUMBER:
        yield Mistake(dial.said, _("Look at the phone's address, and at the account in the Telnyx portal."))


def unreached_phone(seen: AccountEvidence) -> Iterator[Mistake]:
    """Recognise a phone that is not registered, and SIP URI calling that is off.

    What Telnyx answers where SIP URI calling is off is documented nowhere; it is taken to be a refusal other than 480.
    """
    phone = seen.unanswered
    if phone is None or _is_mended(seen, phone.at) or not phone.is_sip or phone.hangup_cause not in UNREACHED:
        return
    calling_is_off = _("SIP URI calling is off for the connection of a supervisor's phone.")
    switch_on = _("Set “SIP URI calling” of the phone's connection to “internal” or “unrestricted”.")
    not_registered = _("A supervisor's phone is not registered at Telnyx.")
    register = _("Switch the phone on, and look at its user name and password.")
    if phone.sip_status == UNAVAILABLE:
        yield Mistake(not_registered, f"{register} {switch_on}")
    elif phone.sip_status in {FORBIDDEN, NOT_FOUND}:
        yield Mistake(calling_is_off, switch_on)
    elif not phone.sip_status:
        yield Mistake(_("A supervisor's SIP phone could not be reached."), f"{register} {switch_on}")


def wrong_ear_application(seen: AccountEvidence) -> Iterator[Mistake]:
    """Tell what the ear application must not be like, as it was read from Telnyx."""
    known = seen.applications
    if known is not None and (application := known.by_id.get(seen.ear_application)) is not None:
        mend = _("“Read from Telnyx” on the account's page corrects it.")
        for said in faults_of(application, webhook_url=seen.webhook_url):
            yield Mistake(said, mend)


def wrong_center_application(seen: AccountEvidence) -> Iterator[Mistake]:
    """Recognise what the center's own applications do to calls, or keep from us."""
    known = seen.applications
    others = [] if known is None else [row for row in known.by_id.values() if row.id != seen.ear_application]
    for application in others:
        named = {"name": names.plain(application.name) or application.id}
        if application.first_command_timeout:
            yield Mistake(
                _("“%(name)s” hangs up calls that get no command in time (first-command time-out).") % named,
                _("If calls end by it, turn it off in the portal, or let the call flow answer sooner."),
            )
        if comes_here(application.failover_url, webhook_url=seen.webhook_url):
            yield Mistake(
                _("Floorline is the failover address of “%(name)s”: it would take events from your call flow.") % named,
                _("Remove the failover address in the portal, and let your call flow forward copies."),
            )
        elif application.failover_url and comes_here(application.webhook_url, webhook_url=seen.webhook_url):
            yield Mistake(
                _("“%(name)s” has a failover address: what goes there never comes to Floorline.") % named,
                _("Remove the failover address in the portal."),
            )


def unassigned_connections(seen: AccountEvidence) -> Iterator[Mistake]:
    """Tell of phone applications that nobody has given a role."""
    number = seen.connections.get("unassigned", 0)
    if number:
        said = ngettext(
            "%(number)d phone application has no role.", "%(number)d phone applications have no role.", number
        )
        yield Mistake(
            said % {"number": number},
            _("Choose one for each: calls, agents' phones, ear, or ignored."),
        )


def harmful_monitor(seen: AccountEvidence) -> Iterator[Mistake]:
    """Tell that nobody may listen on this account, and why."""
    if seen.monitor_harms_call:
        yield Mistake(
            _("A monitor cuts the sound of the call on this account, so Floorline lets nobody listen."),
            _("Ask Telnyx about it, then probe again."),
        )


def _of_refused_dial(seen: AccountEvidence, known: dict[Refusal, Sentences]) -> Iterator[Mistake]:
    dial = seen.refused_dial
    if dial is not None and dial.cause in known and not _is_mended(seen, dial.at):
        said, mend = known[dial.cause]
        yield Mistake(str(said), str(mend))


def _is_mended(seen: AccountEvidence, at: datetime) -> bool:
    return seen.answered_at is not None and seen.answered_at > at

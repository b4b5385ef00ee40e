"""Reads and writes what a Telnyx account has set up: applications, connections, credentials, numbers, profiles.

A closed set of requests, apart from those of `client.py`: whoever steers calls cannot change an application, and
whoever sets up cannot steer a call. Passwords and the network addresses of phones are in Telnyx' answers and in nothing
that is returned here.

API reference: https://developers.telnyx.com/api-reference/call-control-applications/list-call-control-applications
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from .errors import Unanswered
from .inbound import clean_text, read_time
from .transport import READ_SECONDS, Session, Transport, mapping

MOST_PAGES = 20  # five thousand rows: more is not for choosing from
LONGEST_LIFETIME_SECONDS = 24 * 60 * 60
API_VERSION = "2"

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Application:
    """A Call Control application."""

    id: str
    name: str
    webhook_url: str
    webhook_version: str
    failover_url: str
    profile_id: str
    """The id of its outbound voice profile; without one nothing can be dialled on it."""
    first_command_timeout: bool
    """Whether Telnyx hangs up a call that gets no command for a while."""


@dataclass(frozen=True, slots=True)
class CredentialConnection:
    """A connection that SIP phones register on."""

    id: str
    name: str
    user_name: str
    sip_uri_calling: str
    """Telnyx' `sip_uri_calling_preference`: disabled, unrestricted or internal."""


@dataclass(frozen=True, slots=True)
class TelephonyCredential:
    """A user name of one phone on a credential connection."""

    name: str
    sip_username: str
    connection_id: str


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A telephone number of the account."""

    number: str
    connection_id: str
    status: str


@dataclass(frozen=True, slots=True)
class OutboundProfile:
    """An outbound voice profile: whom its applications may call, and how many at once."""

    id: str
    name: str
    enabled: bool
    concurrent_calls: int | None
    """None where only the account's own limit counts."""
    destinations: tuple[str, ...]


class CredentialKind(StrEnum):
    """The kind of user name that a phone signs in with at Telnyx, as `credential_type` names it."""

    TELEPHONY = "telephony_credential"
    CONNECTION = "sip_credential_connection"


@dataclass(frozen=True, slots=True)
class Registration:
    """Whether a phone can be reached; a phone that died stays registered until its lifetime ends."""

    registered: bool
    since: datetime | None
    lifetime_seconds: int | None


@dataclass(frozen=True, slots=True)
class Listed(Generic[_Row]):
    """The rows of a listing; not complete where there are more than anybody would choose from."""

    rows: tuple[_Row, ...] = ()
    complete: bool = True


class SetupClient:
    """One account's connection to what Telnyx has set up for it, used only while an admin waits for the answer."""

    def __init__(self, *, api_base: str, api_key: str, session: Session | None = None) -> None:
        self._transport = Transport(api_base=api_base, api_key=api_key, session=session)

    def applications(self) -> Listed[Application]:
        """List the Call Control applications."""
        return self._listing("/call_control_applications", _application)

    def credential_connections(self) -> Listed[CredentialConnection]:
        """List the connections that SIP phones register on."""
        return self._listing("/credential_connections", _credential_connection)

    def telephony_credentials(self) -> Listed[TelephonyCredential]:
        """List the generated user names of phones."""
        return self._listing("/telephony_credentials", _telephony_credential)

    def phone_numbers(self) -> Listed[PhoneNumber]:
        """List the account's telephone numbers."""
        return self._listing("/phone_numbers", _phone_number)

    def outbound_profiles(self) -> Listed[OutboundProfile]:
        """List the outbound voice profiles."""
        return self._listing("/outbound_voice_profiles", _outbound_profile)

    def registration(self, *, kind: CredentialKind, username: str) -> Registration:
        """Read whether a phone is registered. Raises Unanswered where the answer does not say."""
        query = {"credential_type": kind.value, "username": username}
        answer = self._transport.get("/sip_registration_status", query)
        registered = answer.get("registered")
        if not isinstance(registered, bool):
            raise Unanswered("the answer does not say whether the phone is registered")
        details = mapping(answer.get("sip_registration_details"))
        return Registration(
            registered=registered,
            since=read_time(details.get("last_modified")),
            lifetime_seconds=_count(details.get("expires"), most=LONGEST_LIFETIME_SECONDS),
        )

    def create_application(self, *, name: str, webhook_url: str, profile_id: str) -> Application:
        """Create an application for supervisors' phones: version 2, our address, no failover."""
        body = {**_as_it_must_be(name=name, webhook_url=webhook_url), **_outbound(profile_id)}
        # A lost answer leaves an application behind; the time given is a reading's, not a command's.
        answer = self._transport.post("/call_control_applications", body, patience=READ_SECONDS)
        return _named(_application(mapping(answer.get("data"))))

    def correct_application(self, application: Application, *, webhook_url: str, profile_id: str) -> Application:
        """Set what Floorline needs of an application; `profile_id` is empty where its profile stays."""
        body = {**_as_it_must_be(name=application.name, webhook_url=webhook_url), **_outbound(profile_id)}
        answer = self._transport.patch(f"/call_control_applications/{quote(application.id, safe='')}", body)
        return _named(_application(mapping(answer.get("data"))))

    def _listing(self, path: str, read: Callable[[Mapping[str, Any]], _Row]) -> Listed[_Row]:
        rows: list[_Row] = []
        complete = False
        for items, last in islice(self._transport.pages(path, {}), MOST_PAGES):
            rows += [read(item) for item in items]
            complete = last
        return Listed(tuple(rows), complete)


def _as_it_must_be(*, name: str, webhook_url: str) -> dict[str, object]:
    return {
        "application_name": name,
        "webhook_event_url": webhook_url,
        "webhook_event_failover_url": None,
        "webhook_api_version": API_VERSION,
        "first_command_timeout": False,
    }


def _outbound(profile_id: str) -> dict[str, object]:
    return {"outbound": {"outbound_voice_profile_id": profile_id}} if profile_id else {}


def _named(application: Application) -> Application:
    if not application.id:
        raise Unanswered("Telnyx accepted it but named no application")
    return application


def _application(item: Mapping[str, Any]) -> Application:
    return Application(
        id=clean_text(item.get("id"), limit=64),
        name=clean_text(item.get("application_name"), limit=100),
        webhook_url=clean_text(item.get("webhook_event_url"), limit=500),
        webhook_version=clean_text(item.get("webhook_api_version"), limit=10),
        failover_url=clean_text(item.get("webhook_event_failover_url"), limit=500),
        profile_id=clean_text(mapping(item.get("outbound")).get("outbound_voice_profile_id"), limit=64),
        first_command_timeout=item.get("first_command_timeout") is True,
    )


def _credential_connection(item: Mapping[str, Any]) -> CredentialConnection:
    return CredentialConnection(
        id=clean_text(item.get("id"), limit=64),
        name=clean_text(item.get("connection_name"), limit=100),
        user_name=clean_text(item.get("user_name"), limit=64),
        sip_uri_calling=clean_text(item.get("sip_uri_calling_preference"), limit=20) or "disabled",
    )


def _telephony_credential(item: Mapping[str, Any]) -> TelephonyCredential:
    return TelephonyCredential(
        name=clean_text(item.get("name"), limit=100),
        sip_username=clean_text(item.get("sip_username"), limit=64),
        connection_id=clean_text(item.get("resource_id"), limit=80).removeprefix("connection:"),
    )


def _phone_number(item: Mapping[str, Any]) -> PhoneNumber:
    return PhoneNumber(
        number=clean_text(item.get("phone_number"), limit=32),
        connection_id=clean_text(item.get("connection_id"), limit=64),
        status=clean_text(item.get("status"), limit=40),
    )


def _outbound_profile(item: Mapping[str, Any]) -> OutboundProfile:
    destinations = item.get("whitelisted_destinations")
    return OutboundProfile(
        id=clean_text(item.get("id"), limit=64),
        name=clean_text(item.get("name"), limit=100),
        enabled=item.get("enabled") is not False,
        concurrent_calls=_count(item.get("concurrent_call_limit"), most=1_000_000),
        destinations=tuple(
            clean_text(country, limit=4) for country in (destinations if isinstance(destinations, list) else [])
        ),
    )


def _count(value: object, *, most: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None

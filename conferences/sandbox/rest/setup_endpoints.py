"""Answers what reads and writes the account's set-up (https://developers.telnyx.com/api-reference)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from conferences.sandbox.center import directory
from conferences.sandbox.center.holdings import Holdings
from conferences.sandbox.formats import params, resources
from conferences.sandbox.formats.errors import ApiError, not_found
from conferences.sandbox.formats.params import Body
from conferences.sandbox.formats.resources import Json
from conferences.sandbox.telephony.phones import Phones
from conferences.sandbox.telephony.state import iso

REGISTERED_SECONDS = 3600


def listing(rows: Sequence[Json], query: Mapping[str, str]) -> Json:
    chosen, meta = resources.page(rows, total=len(rows), query=query)
    return {"data": chosen, "meta": meta}


def create_application(holdings: Holdings, body: Body) -> Json:
    params.text(body, "application_name")
    _webhook_url(body)
    return {"data": holdings.add_application(_checked(holdings, body))}


def update_application(holdings: Holdings, application_id: str, body: Body) -> Json:
    """Change what is named; name and webhook address have to be named."""
    known = holdings.applications.get(application_id)
    if known is None:
        raise not_found()
    params.text(body, "application_name")
    _webhook_url(body)
    fields = _checked(holdings, body)
    known.update({**fields, "outbound": {**known["outbound"], **fields.get("outbound", {})}})
    return {"data": known}


def registration(holdings: Holdings, phones: Phones, query: Mapping[str, str], *, now: float) -> Json:
    """Tell whether a phone is registered; unlike every other answer, it has no `data` around it."""
    kind, username = query.get("credential_type", ""), query.get("username", "")
    name, named = {
        "telephony_credential": ("sip_username", holdings.credentials),
        "sip_credential_connection": ("user_name", holdings.connections),
    }.get(kind, ("", []))
    if not name:
        raise ApiError(422, "10032", "'credential_type' is not one of the known kinds.", pointer="credential_type")
    found = next((row for row in named if row[name] == username), None)
    if found is None:
        raise not_found()
    away = phones.behaviours.get(f"sip:{username}@{directory.SIP_DOMAIN}".lower()) == "not_registered"
    connection_id = found["id"] if kind == "sip_credential_connection" else directory.CREDENTIAL_CONNECTION_ID
    return {
        "connection_id": connection_id,
        "connection_name": next(row["connection_name"] for row in holdings.connections if row["id"] == connection_id),
        "credential_type": kind,
        "credential_username": username,
        "registered": not away,
        "sip_registration_status": "unknown" if away else "registered",
        "last_registration_response": "" if away else "200 OK",
        "sip_registration_details": {}
        if away
        else {
            "expires": REGISTERED_SECONDS,
            "last_modified": iso(now - 60),
            "transport": "TLS",
            "ua_ip": "192.0.2.7",
            "ua_port": 5061,
        },
    }


def _checked(holdings: Holdings, body: Body) -> Json:
    """Return the fields of an application, as far as they are good."""
    version = params.optional_text(body, "webhook_api_version")
    if version not in {None, "1", "2"}:
        raise ApiError(422, "10032", "'webhook_api_version' must be 1 or 2.", pointer="/webhook_api_version")
    params.flag(body, "first_command_timeout")
    outbound = body.get("outbound") or {}
    profile = params.optional_text(outbound, "outbound_voice_profile_id") if isinstance(outbound, dict) else ""
    if profile is not None and profile not in {row["id"] for row in holdings.profiles}:
        raise ApiError(422, "10015", "The outbound voice profile does not exist.", pointer="/outbound")
    known = ("application_name", "webhook_event_url", "webhook_event_failover_url", "first_command_timeout")
    fields = {name: body[name] for name in known if name in body}
    if version:
        fields["webhook_api_version"] = version
    return {**fields, "outbound": dict(outbound)} if outbound else fields


def _webhook_url(body: Body) -> None:
    url = params.text(body, "webhook_event_url")
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ApiError(422, "10015", "'webhook_event_url' must be a valid URL.", pointer="/webhook_event_url")

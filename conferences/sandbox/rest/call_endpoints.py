"""Answers the call endpoints (https://developers.telnyx.com/api-reference/call-commands)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from conferences.sandbox.center import directory
from conferences.sandbox.formats import params, resources
from conferences.sandbox.formats.errors import ApiError, not_found
from conferences.sandbox.formats.params import Body
from conferences.sandbox.formats.resources import Json
from conferences.sandbox.rest.conference_endpoints import OK, find, living_leg
from conferences.sandbox.telephony import calls, membership
from conferences.sandbox.telephony.phones import Phones
from conferences.sandbox.telephony.state import Kind, SandboxLeg
from conferences.sandbox.telephony.world import World

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def dial(world: World, phones: Phones, body: Body, *, applications: Mapping[str, Json]) -> Json:
    connection_id = params.text(body, "connection_id")
    if connection_id not in applications:
        raise ApiError(
            422,
            "10015",
            "connection_id must be a Call Control application with a webhook URL.",
            pointer="/connection_id",
        )
    if not applications[connection_id]["outbound"]["outbound_voice_profile_id"]:
        raise ApiError(403, "10010", "Connection has no Outbound Profile assigned D38.")
    config = body.get("conference_config")
    if config is not None and not isinstance(config, dict):
        raise ApiError(422, "10026", "'conference_config' must be an object.", pointer="/conference_config")
    to = params.destination(body)
    params.flag(body, "send_silence_when_idle")
    kind, label = _who(connection_id, to)
    enter = _entrance(world, config) if config else None
    leg = calls.dial(
        world,
        connection_id=connection_id,
        from_=params.caller(body),
        to=to,
        kind=kind,
        label=label,
        client_state=params.client_state(body),
        custom_headers=params.custom_headers(body),
        webhook_url=_webhook_url(body),
        timeout_s=params.number(body, "timeout_secs", low=5, high=600, default=30),
        time_limit_s=params.number(body, "time_limit_secs", low=30, high=14400, default=14400),
        from_display_name=params.optional_text(body, "from_display_name"),
    )
    phones.ring(world, leg, answered=enter)
    return {"data": resources.dialled(leg)}


def retrieve(world: World, call_control_id: str) -> Json:
    leg = world.legs.get(call_control_id)
    if leg is None:
        raise not_found()
    return {"data": resources.call(leg, now=world.now)}


def hangup(world: World, call_control_id: str, body: Body) -> Json:
    leg = _commanded(world, call_control_id, body)
    if leg.state == "ringing" and leg.direction == "outgoing":
        membership.hangup(world, leg, cause="originator_cancel", source="caller", sip="487")
    else:
        membership.hangup(world, leg, source="caller" if leg.direction == "outgoing" else "callee")
    return OK


def answer(world: World, call_control_id: str, body: Body) -> Json:
    leg = _commanded(world, call_control_id, body)
    if leg.direction == "outgoing":
        raise ApiError(422, "90102", "An outbound call cannot be answered by command.")
    calls.answer(world, leg)
    return OK


def speak(world: World, call_control_id: str, body: Body) -> Json:
    leg = _answered(world, call_control_id, body)
    words = params.text(body, "payload")
    params.text(body, "voice")
    calls.speak(world, leg, text=words)
    return OK


def gather(world: World, phones: Phones, call_control_id: str, body: Body, *, spoken: bool) -> Json:
    leg = _answered(world, call_control_id, body)
    options: dict[str, int | str] = {
        "minimum_digits": params.number(body, "minimum_digits", low=1, high=128, default=1),
        "maximum_digits": params.number(body, "maximum_digits", low=1, high=128, default=128),
        "timeout_millis": params.number(body, "timeout_millis", low=1, high=600_000, default=60_000),
    }
    for name in ("initial_timeout_millis", "inter_digit_timeout_millis"):
        if body.get(name) is not None:
            options[name] = params.number(body, name, low=1, high=600_000, default=0)
    for name in ("valid_digits", "terminating_digit"):
        if (value := params.optional_text(body, name)) is not None:
            options[name] = value
    speech_s = 0.0
    if spoken:
        options["maximum_tries"] = params.number(body, "maximum_tries", low=1, high=128, default=3)
        speech_s = len(params.text(body, "payload")) / calls.SPOKEN_CHARACTERS_PER_S
        params.text(body, "voice")
    calls.gather(world, leg, options, speech_s=speech_s)
    phones.asked(world, leg)
    return OK


def active_calls(
    world: World, connection_id: str, query: Mapping[str, str], *, applications: Mapping[str, Json]
) -> Json:
    """Cursor paging; `page[number]` and `page[size]` are what the SDK sends instead."""
    if connection_id not in applications and connection_id != directory.CREDENTIAL_CONNECTION_ID:
        raise not_found()
    live = world.live.get(connection_id)
    limit = params.page(query, "page[limit]", high=250, default=params.page(query, "page[size]", high=250, default=20))
    chosen: list[SandboxLeg] = []
    if live and "page[before]" in query:
        chosen = list(itertools.islice(live.before(_cursor(query["page[before]"])), limit))[::-1]
    elif live:
        skip = (params.page(query, "page[number]", high=1_000_000, default=1) - 1) * limit
        chosen = list(itertools.islice(live.after(_cursor(query.get("page[after]", "0"))), skip, skip + limit))
    more = bool(live and chosen and next(live.after(chosen[-1].serial), None))
    fewer = bool(live and chosen and next(live.before(chosen[0].serial), None))
    after = str(chosen[-1].serial) if more else None
    before = str(chosen[0].serial) if fewer else None
    path = f"/v2/connections/{connection_id}/active_calls"
    meta = {
        "cursors": {"after": after, "before": before},
        "next": f"{path}?page[after]={after}" if after else None,
        "previous": f"{path}?page[before]={before}" if before else None,
        "total_items": live.count if live else 0,
    }
    if "page[number]" in query or "page[size]" in query:
        meta |= resources.page((), total=live.count if live else 0, query=query)[
            1
        ]  # without a total the SDK asks for pages without end
    return {"data": [resources.active_call(leg, now=world.now) for leg in chosen], "meta": meta}


def _entrance(world: World, config: Body) -> Callable[[SandboxLeg], None]:
    """Return what brings an answered leg into the conference that dial named; it is checked at once."""
    reference = params.optional_text(config, "id") or params.optional_text(config, "conference_name")
    conference = find(world, reference or "", by_name=True)
    role = params.role(config, required=False)
    whisper_to = params.ids(config, "whisper_call_control_ids")
    muted, on_hold = params.flag(config, "mute"), params.flag(config, "hold")

    def enter(leg: SandboxLeg) -> None:
        if conference.alive:
            membership.join(world, conference, leg, role=role, whisper_to=whisper_to, muted=muted, on_hold=on_hold)

    return enter


def _webhook_url(body: Body) -> str | None:
    """Return where this leg's webhooks go; for an address beyond this machine, which gets no post, the default."""
    url = params.optional_text(body, "webhook_url")
    if url is None:
        return None
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host:
        raise ApiError(422, "10015", "'webhook_url' must be a valid URL.", pointer="/webhook_url")
    return url if host in LOOPBACK and url.startswith("http://") else None


def _who(connection_id: str, to: str) -> tuple[Kind, str]:
    """Return whom a dialled address belongs to, for the matrix only; webhooks never contain it."""
    address = re.split("[;,]", to, maxsplit=1)[0].lower()
    if connection_id != directory.CALLS_CONNECTION_ID:
        phone = next((phone for phone in directory.SUPERVISOR_PHONES if phone.address == address), None)
        return "supervisor", phone.label if phone else to
    agent = next((agent for agent in directory.agents(0) if agent.address.lower() == address), None)
    return ("agent", agent.name) if agent else ("unknown", to)


def _commanded(world: World, call_control_id: str, body: Body) -> SandboxLeg:
    leg = living_leg(world, call_control_id)
    leg.client_state = params.client_state(body) or leg.client_state
    return leg


def _answered(world: World, call_control_id: str, body: Body) -> SandboxLeg:
    leg = _commanded(world, call_control_id, body)
    if leg.state != "answered":
        raise ApiError(422, "90034", "The call has not been answered yet.")
    return leg


def _cursor(raw: str) -> int:
    if not raw.isascii() or not raw.isdigit():
        raise ApiError(422, "10015", "The cursor is invalid.", pointer="page")
    return int(raw)

"""Answers the conference endpoints (https://developers.telnyx.com/api-reference/conference-commands)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from conferences.sandbox.formats import params, resources
from conferences.sandbox.formats.errors import ApiError
from conferences.sandbox.formats.params import Body
from conferences.sandbox.formats.resources import Json
from conferences.sandbox.telephony import calls, membership
from conferences.sandbox.telephony.state import SandboxConference, SandboxLeg, SandboxParticipant
from conferences.sandbox.telephony.world import World

OK: Json = {"data": {"result": "ok"}}


def find(world: World, reference: str, *, by_name: bool = False) -> SandboxConference:
    """Return the conference of that id, or of that name for the commands that document it."""
    conference = world.conferences.get(reference)
    if conference is None and by_name:
        conference = world.conference_named(reference)
    if conference is None:
        raise ApiError(404, "90058", "The conference does not exist.")
    return conference


def refuse_elsewhere(world: World, asked: Mapping[str, object]) -> None:
    """Know no conference in another region than the one where they run; Telnyx documents no error for that."""
    if is_elsewhere(world, asked):
        raise ApiError(404, "90058", "The conference does not exist.")


def is_elsewhere(world: World, asked: Mapping[str, object]) -> bool:
    """Return whether a request names another region."""
    return asked.get("region") not in {None, "", world.region}


def running(world: World, reference: str, *, by_name: bool = True) -> SandboxConference:
    conference = find(world, reference, by_name=by_name)
    if not conference.alive:
        raise ApiError(422, "90019", "This conference has already ended.")
    return conference


def list_conferences(world: World, query: Mapping[str, str]) -> Json:
    """Newest first. Only the filters `name` and `status` are known to work on conferences."""
    status, name = query.get("filter[status]"), query.get("filter[name]")
    if status not in {None, "init", "in_progress", "completed"}:
        raise ApiError(422, "10032", "'filter[status]' must be init, in_progress or completed.", pointer="filter")
    items: Iterable[SandboxConference]
    if is_elsewhere(world, query):
        items, total = (), 0
    elif name is not None:
        same = [item for item in world.by_name.get(name, ()) if status is None or _status(item) == status]
        items, total = reversed(same), len(same)
    else:
        kept = {None: world.conferences, "in_progress": world.active, "completed": world.ended, "init": {}}[status]
        items, total = reversed(kept.values()), len(kept)
    chosen, meta = resources.page(items, total=total, query=query)
    return {"data": [resources.conference(item) for item in chosen], "meta": meta}


def retrieve(world: World, reference: str) -> Json:
    return {"data": resources.conference(find(world, reference))}


def list_participants(world: World, reference: str, query: Mapping[str, str]) -> Json:
    """Those who left stay listed with status `left`, or not at all: Telnyx documents neither."""
    conference = find(world, reference)
    items = [
        resources.participant(item, semantics=world.semantics)
        for item in (*(conference.left if world.semantics.left_stay_listed else ()), *conference.participants.values())
    ]
    for name in ("muted", "on_hold"):
        wanted = params.query_flag(query, f"filter[{name}]")
        items = [item for item in items if wanted is None or item[name] == wanted]
    whispering = params.query_flag(query, "filter[whispering]")
    items = [item for item in items if whispering is None or bool(item["whisper_call_control_ids"]) == whispering]
    chosen, meta = resources.page(items, total=len(items), query=query)
    return {"data": chosen, "meta": meta}


def update(world: World, reference: str, body: Body) -> Json:
    conference = running(world, reference)
    participant = _participant(world, conference, params.text(body, "call_control_id"))
    role = params.role(body, required=True)
    membership.set_role(world, participant, role=role, whisper_to=params.ids(body, "whisper_call_control_ids"))
    return OK


def create(world: World, body: Body) -> Json:
    """The named leg becomes the owner and is inside at once."""
    leg = living_leg(world, params.text(body, "call_control_id"))
    name = params.text(body, "name")
    state = params.client_state(body)
    if leg.state != "answered":
        raise ApiError(422, "90034", "The call has not been answered yet.", pointer="/call_control_id")
    same = world.conference_named(name)
    if same is not None and same.alive:
        raise ApiError(422, "90033", "A conference with the given name already exists and is active.", pointer="/name")
    leg.client_state = state or leg.client_state
    return {"data": resources.conference(membership.create(world, name=name, owner=leg))}


def speak(world: World, reference: str, body: Body) -> Json:
    conference = running(world, reference)
    words = params.text(body, "payload")
    params.text(body, "voice")
    for participant in _several(world, reference, body, required=False):
        calls.speak(world, participant.leg, text=words, conference=conference)
    return OK


def join(world: World, reference: str, body: Body) -> Json:
    conference = running(world, reference)
    leg = living_leg(world, params.text(body, "call_control_id"))
    role = params.role(body, required=False)
    whisper_to = params.ids(body, "whisper_call_control_ids")
    state = params.client_state(body)
    if leg.state != "answered":
        raise ApiError(422, "90034", "The call has not been answered yet.", pointer="/call_control_id")
    if leg.participant and leg.participant.conference is conference:
        raise ApiError(
            422, "90044", "The call is already a participant of this conference.", pointer="/call_control_id"
        )
    leg.client_state = state or leg.client_state
    membership.join(
        world,
        conference,
        leg,
        role=role,
        whisper_to=whisper_to,
        muted=params.flag(body, "mute"),
        on_hold=params.flag(body, "hold"),
        end_conference_on_exit=params.flag(body, "end_conference_on_exit"),
        soft_end_conference_on_exit=params.flag(body, "soft_end_conference_on_exit"),
    )
    return OK


def leave(world: World, reference: str, body: Body) -> Json:
    conference = running(world, reference)
    membership.leave(world, _participant(world, conference, params.text(body, "call_control_id")))
    return OK


def hold(world: World, reference: str, body: Body, *, on_hold: bool) -> Json:
    membership.set_hold(world, _several(world, reference, body, required=not on_hold), on_hold=on_hold)
    return OK


def mute(world: World, reference: str, body: Body, *, muted: bool) -> Json:
    membership.set_mute(world, _several(world, reference, body, required=False), muted=muted)
    return OK


def end(world: World, reference: str) -> Json:
    """By uuid only, as documented."""
    if not _is_uuid(reference):
        raise ApiError(404, "90058", "The conference does not exist.")
    membership.end(world, running(world, reference, by_name=False))
    return OK


def living_leg(world: World, call_control_id: str) -> SandboxLeg:
    leg = world.legs.get(call_control_id)
    if leg is None:
        raise ApiError(422, "90015", "The call_control_id is invalid.", pointer="/call_control_id")
    if not leg.alive:
        raise ApiError(422, "90018", "This call is no longer active.", pointer="/call_control_id")
    return leg


def _participant(world: World, conference: SandboxConference, call_control_id: str) -> SandboxParticipant:
    leg = living_leg(world, call_control_id)
    participant = conference.participants.get(leg.call_control_id)
    if participant is None:
        # No published code says "not in this conference"; 422 90015 is the likeliest.
        raise ApiError(422, "90015", "The call is not in this conference.", pointer="/call_control_id")
    return participant


def _several(world: World, reference: str, body: Body, *, required: bool) -> list[SandboxParticipant]:
    """Return the named participants; none named means all, as documented, unless naming is required."""
    conference = running(world, reference)
    named = params.ids(body, "call_control_ids", required=required)
    if not named:
        return list(conference.participants.values())
    return [_participant(world, conference, call_control_id) for call_control_id in named]


def _status(conference: SandboxConference) -> str:
    return "in_progress" if conference.alive else "completed"


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False

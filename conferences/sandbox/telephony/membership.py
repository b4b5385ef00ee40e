"""Changes the participants of conferences: joining, leaving, role, hold and mute."""

from __future__ import annotations

from collections.abc import Iterable

from conferences.sandbox.telephony import calls, payloads
from conferences.sandbox.telephony.state import Role, SandboxConference, SandboxLeg, SandboxParticipant, iso
from conferences.sandbox.telephony.world import CONFERENCE_LIFE_S, World

LEFT_KEPT = 50
"""The most participants who left that stay in the listing, with status `left`."""


def create(world: World, *, name: str, owner: SandboxLeg, expires: bool = True) -> SandboxConference:
    """Open a conference and bring its owner in."""
    at = world.stamp()
    conference = SandboxConference(
        id=world.uuid(), name=name, owner=owner, client_state=owner.client_state, created_at=at, updated_at=at
    )
    world.add_conference(conference)
    world.emit(
        "conference.created",
        payloads.in_conference(owner, conference) | {"occurred_at": iso(at)},
        leg=owner,
        at=at,
    )
    join(world, conference, owner)
    if expires:
        world.after(CONFERENCE_LIFE_S, _expire, world, conference)
    return conference


def join(
    world: World,
    conference: SandboxConference,
    leg: SandboxLeg,
    *,
    role: Role = "none",
    whisper_to: Iterable[str] = (),
    muted: bool = False,
    on_hold: bool = False,
    end_conference_on_exit: bool = False,
    soft_end_conference_on_exit: bool = False,
) -> SandboxParticipant:
    """Bring a leg in; it leaves the queue or the conference it was in."""
    calls.dequeue(world, leg, reason="bridged")
    if leg.participant:
        leave(world, leg.participant)
    at = world.stamp()
    participant = SandboxParticipant(
        id=world.uuid(),
        leg=leg,
        conference=conference,
        created_at=at,
        updated_at=at,
        muted=muted,
        on_hold=on_hold,
        end_conference_on_exit=end_conference_on_exit,
        soft_end_conference_on_exit=soft_end_conference_on_exit,
    )
    conference.participants[leg.call_control_id] = participant
    conference.updated_at = at
    leg.participant = participant
    set_role(world, participant, role=role, whisper_to=whisper_to)
    world.emit("conference.participant.joined", payloads.in_conference(leg, conference), leg=leg, at=at)
    return participant


def set_role(world: World, participant: SandboxParticipant, *, role: Role, whisper_to: Iterable[str] = ()) -> None:
    """Change who hears this participant; Telnyx sends no webhook for this."""
    participant.role = role
    participant.whisper_call_control_ids = tuple(dict.fromkeys(whisper_to)) if role == "whisper" else ()
    participant.denied = frozenset(
        other.id
        for call_control_id, other in participant.conference.participants.items()
        if call_control_id not in participant.whisper_call_control_ids
    )
    participant.updated_at = world.now
    if role == "monitor" and world.semantics.monitor_harms_call:
        participant.conference.harmed = True


def set_hold(world: World, participants: Iterable[SandboxParticipant], *, on_hold: bool) -> None:
    for participant in participants:
        participant.on_hold = on_hold
        participant.updated_at = world.now


def set_mute(world: World, participants: Iterable[SandboxParticipant], *, muted: bool) -> None:
    for participant in participants:
        participant.muted = muted
        participant.updated_at = world.now


def take_floor(world: World, leg: SandboxLeg) -> None:
    """Make this leg the current speaker."""
    if leg.participant is None:
        return
    at = world.stamp()
    payload = payloads.in_conference(leg, leg.participant.conference) | {"occurred_at": iso(at)}
    world.emit("conference.floor.changed", payload, leg=leg, at=at)


def leave(world: World, participant: SandboxParticipant) -> None:
    """Take a participant out; its leg remains connected, parked."""
    if participant.status == "left":
        return
    conference, leg = participant.conference, participant.leg
    _take_out(world, participant)
    if participant.end_conference_on_exit:
        end(world, conference, reason="host_left", by=leg)
    elif not conference.participants:
        _complete(world, conference, reason="all_left", webhook_reason="all_left", by=leg)


def hangup(
    world: World, leg: SandboxLeg, *, cause: str = "normal_clearing", source: str = "unknown", sip: str = "200"
) -> None:
    """End a leg, and with it its participant in a conference."""
    if not leg.alive:
        return
    calls.close(world, leg, cause=cause, source=source, sip=sip)
    if leg.participant:
        leave(world, leg.participant)


def end(
    world: World, conference: SandboxConference, *, reason: str = "ended_via_api", by: SandboxLeg | None = None
) -> None:
    """Hang everybody up and close the conference."""
    if not conference.alive:
        return
    for participant in list(conference.participants.values()):
        calls.close(world, participant.leg, cause="normal_clearing", source="unknown", sip="200")
        _take_out(world, participant)
    # The webhook knows only three reasons; which of them follows `actions/end` is undocumented.
    webhook_reason = "all_left" if reason == "ended_via_api" else reason
    _complete(world, conference, reason=reason, webhook_reason=webhook_reason, by=by)


def _take_out(world: World, participant: SandboxParticipant) -> None:
    conference, leg = participant.conference, participant.leg
    at = world.stamp()
    participant.status = "left"
    participant.updated_at = at
    leg.participant = None
    del conference.participants[leg.call_control_id]
    conference.left = [*conference.left[1 - LEFT_KEPT :], participant]
    conference.updated_at = at
    world.emit("conference.participant.left", payloads.in_conference(leg, conference), leg=leg, at=at)


def _complete(
    world: World, conference: SandboxConference, *, reason: str, webhook_reason: str, by: SandboxLeg | None
) -> None:
    at = world.stamp()
    conference.ended_at = conference.updated_at = at
    conference.end_reason, conference.ended_by = reason, by
    world.retire_conference(conference)
    payload = payloads.in_conference(conference.owner, conference)
    payload |= {"occurred_at": iso(at), "reason": webhook_reason}
    world.emit("conference.ended", payload, leg=conference.owner, at=at)


def _expire(world: World, conference: SandboxConference) -> None:
    end(world, conference, reason="time_exceeded")

"""Changes one leg outside conferences: it begins, is answered, waits in a queue, collects digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conferences.sandbox.telephony import payloads
from conferences.sandbox.telephony.state import Gather, Header, Kind, SandboxConference, SandboxLeg, iso
from conferences.sandbox.telephony.world import World

SPOKEN_CHARACTERS_PER_S = 15.0


def incoming(
    world: World, *, connection_id: str, from_: str, to: str, kind: Kind = "customer", label: str | None = None
) -> SandboxLeg:
    """Begin the leg of a caller from the telephone network, parked until the center decides."""
    return _begin(
        world,
        connection_id=connection_id,
        from_=from_,
        to=to,
        direction="incoming",
        kind=kind,
        label=label or from_,
        caller_id_name=from_,
        parked=True,
        calling_party_type="pstn",
    )


def outgoing_from_phone(
    world: World, *, connection_id: str, from_: str, to: str, kind: Kind, label: str, caller_id_name: str
) -> SandboxLeg:
    """Start a call from an agent's phone, which its connection parks ("call parking" of the portal)."""
    return _begin(
        world,
        connection_id=connection_id,
        from_=from_,
        to=to,
        direction="outgoing",
        kind=kind,
        label=label,
        caller_id_name=caller_id_name,
        parked=True,
        calling_party_type="sip",
    )


def dial(
    world: World,
    *,
    connection_id: str,
    from_: str,
    to: str,
    kind: Kind,
    label: str,
    client_state: str | None = None,
    custom_headers: tuple[Header, ...] = (),
    webhook_url: str | None = None,
    timeout_s: float = 30.0,
    time_limit_s: float = 14400.0,
    from_display_name: str | None = None,
    linked_to: SandboxLeg | None = None,
) -> SandboxLeg:
    """Dial an address from the center's application; `linked_to` shares its call session."""
    return _begin(
        world,
        connection_id=connection_id,
        from_=from_,
        to=to,
        direction="outgoing",
        kind=kind,
        label=label,
        caller_id_name=from_display_name or from_,
        parked=False,
        calling_party_type=None,
        client_state=client_state,
        custom_headers=custom_headers,
        webhook_url=webhook_url,
        timeout_s=timeout_s,
        time_limit_s=time_limit_s,
        session=linked_to.call_session_id if linked_to else None,
    )


def _begin(world: World, *, session: str | None = None, **fields: Any) -> SandboxLeg:
    at = world.stamp()
    leg = SandboxLeg(
        serial=world.serial(),
        call_control_id=world.call_control_id(),
        call_leg_id=world.leg_uuid(),
        call_session_id=session or world.leg_uuid(),
        started_at=at,
        **fields,
    )
    world.add_leg(leg)
    world.emit("call.initiated", payloads.initiated(leg), leg=leg, at=at)
    return leg


def bridge(world: World, leg: SandboxLeg, *, seconds_ago: float) -> None:
    """Tell that a leg was bridged to another one so many seconds ago: a call without a conference."""
    world.emit("call.bridged", payloads.between(leg), leg=leg, at=world.now - seconds_ago)


def answer(world: World, leg: SandboxLeg, *, client_state: str | None = None) -> None:
    if leg.state != "ringing":
        return
    at = world.stamp()
    leg.state = "answered"
    leg.answered_at = at
    leg.client_state = client_state or leg.client_state
    world.emit("call.answered", payloads.answered(leg), leg=leg, at=at)


def close(world: World, leg: SandboxLeg, *, cause: str, source: str, sip: str) -> None:
    """End the leg itself; leaving its conference is `membership.hangup`'s part."""
    finish_gather(world, leg, status="call_hangup")
    dequeue(world, leg, reason="hangup")
    at = world.stamp()
    leg.hangup_cause, leg.hangup_source, leg.sip_hangup_cause = cause, source, sip
    world.emit("call.hangup", payloads.hangup(leg, at=at), leg=leg, at=at)
    leg.state = "ended"
    leg.ended_at = at
    world.retire_leg(leg)


def set_sip_hold(world: World, leg: SandboxLeg, *, held: bool) -> None:
    """Hold or resume on the phone itself, the only kind of hold that Telnyx reports."""
    if leg.sip_held != held and leg.alive:
        leg.sip_held = held
        world.emit("call.hold" if held else "call.unhold", payloads.between(leg), leg=leg)


def bill(world: World, leg: SandboxLeg) -> None:
    at = world.stamp()
    world.emit("call.cost", payloads.cost(leg, at=at), leg=leg, at=at)


# Queues


def enqueue(world: World, leg: SandboxLeg, *, queue: str) -> None:
    waiting = world.queues.setdefault(queue, {})
    waiting[leg.call_control_id] = leg
    leg.queue, leg.enqueued_at = queue, world.now
    count, total = world.queue_waits.get(queue, (0, 0.0))
    world.emit(
        "call.enqueued",
        payloads.ids(leg)
        | {
            "current_position": len(waiting),
            "queue": queue,
            "queue_avg_wait_time_secs": round(total / count) if count else 0,
        },
        leg=leg,
    )


def dequeue(world: World, leg: SandboxLeg, *, reason: str) -> None:
    if leg.queue is None:
        return
    waiting = world.queues[leg.queue]
    position = next(index for index, waiter in enumerate(waiting, 1) if waiter == leg.call_control_id)
    del waiting[leg.call_control_id]
    waited = world.now - leg.enqueued_at
    count, total = world.queue_waits.get(leg.queue, (0, 0.0))
    world.queue_waits[leg.queue] = (count + 1, total + waited)
    world.emit(
        "call.dequeued",
        payloads.ids(leg)
        | {"queue": leg.queue, "queue_position": position, "reason": reason, "wait_time_secs": round(waited)},
        leg=leg,
    )
    leg.queue = None


# Speech and digits


def speak(world: World, leg: SandboxLeg, *, text: str, conference: SandboxConference | None = None) -> None:
    """Speak a text to one leg, by itself or as a participant."""
    seconds = max(0.5, len(text) / SPOKEN_CHARACTERS_PER_S)
    if conference is None:
        world.emit("call.speak.started", payloads.ids(leg), leg=leg)
        world.after(seconds, _finish_speech, world, leg)
    else:
        _speak_in(world, leg, conference, "started")
        world.after(seconds, _speak_in, world, leg, conference, "ended")


def _speak_in(world: World, leg: SandboxLeg, conference: SandboxConference, what: str) -> None:
    at = world.stamp()
    payload = payloads.in_conference(leg, conference) | {
        "creator_call_session_id": conference.owner.call_session_id,
        "occurred_at": iso(at),
    }
    world.emit(f"conference.participant.speak.{what}", payload, leg=leg, at=at)


def _finish_speech(world: World, leg: SandboxLeg) -> None:
    status = "completed" if leg.alive else "call_hangup"
    world.emit("call.speak.ended", payloads.ids(leg) | {"status": status}, leg=leg)


def gather(world: World, leg: SandboxLeg, options: Mapping[str, Any], *, speech_s: float = 0.0) -> None:
    """Collect digits until complete or timed out; the defaults are those of the `gather` command.

    A spoken gather asks up to `maximum_tries` times, `speech_s` long each.
    """
    finish_gather(world, leg, status="cancelled")
    leg.gather = Gather(
        serial=world.serial(),
        minimum_digits=options.get("minimum_digits", 1),
        maximum_digits=options.get("maximum_digits", 128),
        terminating_digit=options.get("terminating_digit", "#"),
        valid_digits=options.get("valid_digits", "0123456789#*"),
        inter_digit_s=options.get("inter_digit_timeout_millis", 5000) / 1000,
        tries_left=options.get("maximum_tries", 1),
    )
    timeout_s = options.get("initial_timeout_millis", options.get("timeout_millis", 60000)) / 1000
    silence_s = (speech_s + timeout_s) * leg.gather.tries_left
    world.after(silence_s, _gather_timeout, world, leg, leg.gather.serial, "")


def press(world: World, leg: SandboxLeg, *, digit: str) -> None:
    """Press a key on the phone at the other end."""
    world.emit("call.dtmf.received", payloads.ids(leg) | {"digit": digit, "from": leg.from_, "to": leg.to}, leg=leg)
    running = leg.gather
    if running is None:
        return
    if digit == running.terminating_digit:
        finish_gather(world, leg, status="valid" if len(running.digits) >= running.minimum_digits else "invalid")
        return
    running.digits += digit
    if digit not in running.valid_digits:
        running.tries_left -= 1
        if running.tries_left:
            running.digits = ""  # asked again
        else:
            finish_gather(world, leg, status="invalid")
    elif len(running.digits) >= running.maximum_digits:
        finish_gather(world, leg, status="valid")
    else:
        world.after(running.inter_digit_s, _gather_timeout, world, leg, running.serial, running.digits)


def _gather_timeout(world: World, leg: SandboxLeg, serial: int, seen: str) -> None:
    running = leg.gather
    if running is None or running.serial != serial or running.digits != seen:
        return
    finish_gather(world, leg, status="valid" if seen and len(seen) >= running.minimum_digits else "timeout")


def finish_gather(world: World, leg: SandboxLeg, *, status: str) -> None:
    if leg.gather is None:
        return
    digits = leg.gather.digits
    leg.gather = None
    world.emit(
        "call.gather.ended",
        payloads.ids(leg) | {"digits": digits, "status": status, "from": leg.from_, "to": leg.to},
        leg=leg,
    )

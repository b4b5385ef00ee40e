"""Answers the control API at /sandbox for tests and proofs: JSON, no authentication, loopback only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from conferences.sandbox.center import directory
from conferences.sandbox.center.directory import DirectoryAgent
from conferences.sandbox.center.scene import Scene
from conferences.sandbox.formats.resources import Json
from conferences.sandbox.rest.router import Api
from conferences.sandbox.serving.faults import Faults
from conferences.sandbox.telephony import calls, hearing, membership
from conferences.sandbox.telephony.phones import BEHAVIOURS, Phones
from conferences.sandbox.telephony.state import SandboxConference, SandboxLeg, iso
from conferences.sandbox.telephony.world import World
from conferences.sandbox.webhooks.delivery import Deliveries
from conferences.sandbox.webhooks.disturbance import Disturbance
from conferences.sandbox.webhooks.posting import Posting


class ControlError(Exception):
    """An order that cannot be carried out, with the HTTP status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass
class Control:
    world: World
    phones: Phones
    faults: Faults
    api: Api
    deliveries: Deliveries
    scenes: dict[str, Scene] = field(default_factory=dict)
    """Scripted ones, by conference id."""

    def handle(self, method: str, path: str, query: Mapping[str, str], body: Json) -> Json:
        parts = path.strip("/").split("/")
        return self._tell(parts, query) if method == "GET" else self._obey(method, parts, body)

    def _tell(self, parts: list[str], query: Mapping[str, str]) -> Json:
        match parts:
            case ["state"]:
                return self.state()
            case ["matrix"]:
                return matrix(self.world, self._conference(query.get("conference", "")))
            case ["requests"]:
                number = _number(query)
                return {"requests": [entry for entry in self.api.log if entry["n"] > number]}
            case ["webhooks"]:
                return {"webhooks": self.deliveries.since(_number(query))}
        raise ControlError(404, "The sandbox has no such control.")

    def _obey(self, method: str, parts: list[str], body: Json) -> Json:
        match (method, *parts):
            case ("POST", "webhooks"):
                return self._disturb(body)
            case ("POST", "posting"):
                return self._set_posting(body)
            case ("POST", "semantics"):
                return self.set_semantics(body)
            case ("POST", "calls"):
                return self.script(body)
            case ("POST", "waiting"):
                return self._wait(body)
            case ("POST", "conferences", reference, "join"):
                return self._join(self._conference(reference), body)
            case ("POST", "conferences", reference, "end"):
                return self._end(self._conference(reference), body)
            case ("POST", "legs", call_control_id, act):
                return self._leg(call_control_id, act, body)
            case ("POST", "phones"):
                return self._phone(body)
            case ("POST", "faults"):
                return self._fault(body)
            case ("DELETE", "faults"):
                self.faults.armed.clear()
                return {"faults": []}
        raise ControlError(404, "The sandbox has no such control.")

    def state(self) -> Json:
        semantics = self.world.semantics
        return {
            "semantics": asdict(semantics),
            "clock": iso(self.world.now),
            "seed": self.world.seed,
            "conferences": len(self.world.active),
            "conferences_ended": len(self.world.ended),
            "legs": sum(live.count for live in self.world.live.values()),
            "waiting": sum(len(queue) for queue in self.world.queues.values()),
            "requests": self.api.received,
            "webhooks": {
                "waiting": self.deliveries.waiting,
                "delivered": self.deliveries.delivered,
                "given_up": self.deliveries.given_up,
                "disturbance": asdict(self.deliveries.disturbance),
            },
            "faults": [vars(fault) for fault in self.faults.armed],
        }

    def set_semantics(self, body: Json) -> Json:
        whisper = body.get("whisper", self.world.semantics.whisper)
        muted = body.get("monitor_reads_muted", self.world.semantics.monitor_reads_muted)
        harms = body.get("monitor_harms_call", self.world.semantics.monitor_harms_call)
        listed = body.get("left_stay_listed", self.world.semantics.left_stay_listed)
        if whisper not in {"allow-list", "deny-list"} or not all(
            isinstance(flag, bool) for flag in (muted, harms, listed)
        ):
            raise ControlError(
                400,
                "whisper is allow-list or deny-list; monitor_reads_muted, monitor_harms_call and left_stay_listed are "
                "true or false.",
            )
        self.world.semantics.whisper = whisper
        self.world.semantics.monitor_reads_muted = muted
        self.world.semantics.monitor_harms_call = harms
        self.world.semantics.left_stay_listed = listed
        return asdict(self.world.semantics)

    def script(self, body: Json) -> Json:
        """Open one live conference at once, with all its webhooks; it lasts until an order ends it."""
        team = self._team(body.get("team", "Billing"))
        name = str(body.get("name") or f"{team.name}-{len(self.world.conferences) + 1}")
        if (same := self.world.conference_named(name)) and same.alive:
            raise ControlError(409, f"A conference named {name} is already running.")
        scene = Scene(world=self.world, name=name, team=team)
        scene.greet(scene.arrive(str(body.get("customer", "+4930123456142"))))
        for agent_name in body.get("agents") or ["Ana Ruiz"]:
            scene.connect(scene.ring(_agent(str(agent_name), team)))
        if scene.conference is None:
            raise ControlError(400, "A conference needs a customer and an agent.")
        self.scenes[scene.conference.id] = scene
        return {
            "conference": {"id": scene.conference.id, "name": name},
            "legs": [_leg_json(participant.leg) for participant in scene.conference.participants.values()],
        }

    def _wait(self, body: Json) -> Json:
        """Let a caller wait in a team's queue, until an order hangs up."""
        scene = Scene(world=self.world, name="", team=self._team(body.get("team", "Billing")))
        caller = scene.arrive(str(body.get("customer", "+4930123456142")))
        scene.greet(caller)
        return _leg_json(caller)

    def _join(self, conference: SandboxConference, body: Json) -> Json:
        """Bring one more leg in: an agent, another customer, or a leg that matches nobody."""
        if not conference.alive:
            raise ControlError(409, "The conference has ended.")
        scene = self._scene(conference)
        if "agent" in body:
            leg = scene.ring(_agent(str(body["agent"]), scene.team))
            scene.connect(leg)
        elif "customer" in body:
            leg = calls.incoming(
                self.world,
                connection_id=directory.CALLS_CONNECTION_ID,
                from_=str(body["customer"]),
                to=scene.team.number,
            )
            calls.answer(self.world, leg)
            membership.join(self.world, conference, leg)
        elif "stranger" in body:
            leg = calls.dial(
                self.world,
                connection_id=directory.CALLS_CONNECTION_ID,
                from_=directory.FROM_NUMBER,
                to=str(body["stranger"]),
                kind="unknown",
                label=str(body["stranger"]),
            )
            calls.answer(self.world, leg)
            membership.join(self.world, conference, leg)
        else:
            raise ControlError(400, "Say who joins: agent, customer or stranger.")
        return _leg_json(leg)

    def _end(self, conference: SandboxConference, body: Json) -> Json:
        """End as the API would (`how: api`), or let customer and agents hang up (`how: hangup`)."""
        if body.get("how", "api") == "api":
            membership.end(self.world, conference)
        else:
            for participant in list(conference.participants.values()):
                if participant.leg.kind != "supervisor":
                    membership.hangup(self.world, participant.leg, source="caller")
        return {"conference": conference.id, "participants": len(conference.participants)}

    def _leg(self, call_control_id: str, act: str, body: Json) -> Json:
        leg = self.world.legs.get(call_control_id)
        if leg is None or not leg.alive:
            raise ControlError(404, "No such leg is alive.")
        match act:
            case "hangup":
                membership.hangup(self.world, leg, source="caller" if leg.direction == "incoming" else "callee")
            case "hold" | "unhold":
                calls.set_sip_hold(self.world, leg, held=act == "hold")
            case "dtmf":
                calls.press(self.world, leg, digit=str(body.get("digit", "1"))[:1])
            case "speak":
                membership.take_floor(self.world, leg)
            case "bridge":
                calls.bridge(self.world, leg, seconds_ago=float(body.get("seconds_ago", 0)))
            case _:
                raise ControlError(404, "A leg can hangup, hold, unhold, dtmf, speak and bridge.")
        return _leg_json(leg)

    def _phone(self, body: Json) -> Json:
        address, behaviour = str(body.get("address", "")), body.get("behaviour")
        for known in BEHAVIOURS:
            if address and behaviour == known:
                self.phones.set(address=address, behaviour=known)
                if known == "answers":
                    self.phones.pick_up(self.world, address=address)
                return {"address": address, "behaviour": known}
        raise ControlError(400, f"Give an address and a behaviour: {', '.join(BEHAVIOURS)}.")

    def _fault(self, body: Json) -> Json:
        try:
            return vars(self.faults.arm(body))
        except ValueError as error:
            raise ControlError(400, str(error)) from error

    def _disturb(self, body: Json) -> Json:
        try:
            self.deliveries.disturbance = Disturbance.ordered(body)
        except (ValueError, TypeError) as error:
            raise ControlError(400, str(error)) from error
        return asdict(self.deliveries.disturbance)

    def _set_posting(self, body: Json) -> Json:
        try:
            self.deliveries.posting = Posting.ordered(body)
        except (ValueError, TypeError) as error:
            raise ControlError(400, str(error)) from error
        return asdict(self.deliveries.posting)

    def _conference(self, reference: str) -> SandboxConference:
        conference = self.world.conferences.get(reference) or self.world.conference_named(reference)
        if conference is None:
            raise ControlError(404, "There is no such conference.")
        return conference

    def _scene(self, conference: SandboxConference) -> Scene:
        """Return the scripted scene, or one made up around a conference of the story."""
        known = self.scenes.get(conference.id)
        if known:
            return known
        team = next((team for team in directory.TEAMS if conference.name.startswith(team.name)), directory.TEAMS[0])
        customer = next(
            (participant.leg for participant in conference.participants.values() if participant.leg.kind == "customer"),
            None,
        )
        return Scene(self.world, conference.name, team, customer=customer, conference=conference)

    def _team(self, name: Any) -> directory.DirectoryTeam:
        try:
            return directory.team_named(str(name))
        except KeyError as error:
            raise ControlError(400, f"There is no team {name}.") from error


def matrix(world: World, conference: SandboxConference) -> Json:
    """Return who hears whom, with facts that only the sandbox knows."""
    hears = hearing.matrix(conference, semantics=world.semantics)
    people = []
    for call_control_id, participant in conference.participants.items():
        people.append(
            _leg_json(participant.leg)
            | {
                "role": participant.role,
                "whisper_call_control_ids": list(participant.whisper_call_control_ids),
                "muted": participant.muted,
                "on_hold": participant.on_hold or participant.leg.sip_held,
                "hears": hears[call_control_id],
                "heard_by": [listener for listener, heard in hears.items() if call_control_id in heard],
            }
        )
    return {
        "conference": {"id": conference.id, "name": conference.name, "alive": conference.alive},
        "participants": people,
    }


def _leg_json(leg: SandboxLeg) -> Json:
    return {
        "call_control_id": leg.call_control_id,
        "call_leg_id": leg.call_leg_id,
        "label": leg.label,
        "kind": leg.kind,
    }


def _agent(name: str, team: directory.DirectoryTeam) -> DirectoryAgent:
    """Return the named agent, or a new one of the team with that name."""
    for agent in directory.agents(0):
        if agent.name == name:
            return agent
    return directory.newcomer(name, team=team.name)


def _number(query: Mapping[str, str]) -> int:
    raw = query.get("since", "0")
    if not raw.isascii() or not raw.isdigit():
        raise ControlError(400, "since is the number of the last entry you have seen.")
    return int(raw)

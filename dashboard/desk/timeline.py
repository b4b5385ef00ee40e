"""Builds the timeline of one conference, newest entry first; who spoke when stands in a strip above it (speech.py)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conferences import names
from conferences.models import Cause, Command, Conference, Ear, Leg, Participant
from conferences.projection.registers import holds
from dashboard.floor.building import changes_of_agent

from .notes import NoteLine

Kind = Command.Kind
State = Command.State
Move = tuple[int, str]
"""A participant, and whether they "joined" or "left"."""

MOVES = {Kind.JOIN, Kind.LEAVE, Kind.HANGUP}
MAY_HAVE_MOVED = {State.ACCEPTED, State.VERIFIED, State.UNCONFIRMED, State.UNKNOWN}
LENGTH = 30
NOTE_SHOWN = 80
# A command and the join or leave that it caused are at most so far apart, also where our clock differs from Telnyx'.
SAME_MOVE = timedelta(minutes=1)

_DONE: dict[Kind, Promise] = {
    Kind.DIAL: gettext_lazy("%(who)s’s phone connected"),
    Kind.GATHER: gettext_lazy("%(who)s’s phone asked for key 1"),
    Kind.JOIN: gettext_lazy("%(who)s joined on %(role)s"),
    Kind.UPDATE: gettext_lazy("%(who)s switched to %(role)s"),
    Kind.LEAVE: gettext_lazy("%(who)s left"),
    Kind.HANGUP: gettext_lazy("%(who)s’s phone hung up"),
}
_WANTED: dict[Kind, Promise] = {
    Kind.DIAL: gettext_lazy("%(who)s: ring the phone"),
    Kind.GATHER: gettext_lazy("%(who)s: ask for key 1 on the phone"),
    Kind.JOIN: gettext_lazy("%(who)s: join on %(role)s"),
    Kind.UPDATE: gettext_lazy("%(who)s: switch to %(role)s"),
    Kind.LEAVE: gettext_lazy("%(who)s: leave"),
    Kind.HANGUP: gettext_lazy("%(who)s: hang up the phone"),
}


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of the timeline."""

    at: datetime
    kind: str
    text: str
    outcome: str = ""
    role: str = ""
    """The role that a supervisor asked for, which has an icon and a colour of its own."""
    icon: str = ""
    """The icon of what stands out; joining and leaving have none."""


def timeline(
    conference: Conference, participants: Sequence[Participant], called: Mapping[str, str], notes: Iterable[NoteLine]
) -> tuple[TimelineEntry, ...]:
    """Return the newest entries; joins and leaves come from rows, so that a board fed by polling has them too."""
    newest = Command.objects.filter(conference=conference).select_related("actor", "ear").order_by("-asked_at")
    commands = list(newest[:LENGTH])
    causes = _causes(participants, commands)
    entries = [
        *_milestones(conference),
        *_joins_and_leaves(participants, called, told=causes),
        *_holds(conference, participants, called),
        *_notes(notes),
        *_commands(commands, participants, seen={command.pk for command in causes.values()}),
    ]
    entries.sort(key=lambda entry: entry.at, reverse=True)
    return tuple(entries[:LENGTH])


def _milestones(conference: Conference) -> list[TimelineEntry]:
    entries = []
    if conference.started_at:
        entries.append(TimelineEntry(conference.started_at, "started", _("Call started")))
    if conference.ended_at:
        entries.append(TimelineEntry(conference.ended_at, "ended", _("Call ended")))
    return entries


def _causes(participants: Iterable[Participant], commands: Iterable[Command]) -> dict[Move, Command]:
    """Return the commands by which supervisors came and went, also those that Telnyx has not confirmed.

    A row holds its newest join and leave alone: of a leave before the newest join it does not tell.
    """
    moves: dict[str, list[Command]] = defaultdict(list)
    for command in commands:  # the newest first
        if command.kind in MOVES and command.state in MAY_HAVE_MOVED and command.ear is not None:
            moves[command.ear.call_control_id].append(command)
    causes: dict[Move, Command] = {}
    for participant in participants:
        of_leg = moves[participant.leg.call_control_id]
        for joining in (command for command in of_leg if command.kind == Kind.JOIN):
            if _is_same(joining, participant.joined_at):
                causes.setdefault((participant.pk, "joined"), joining)
        if of_leg and of_leg[0].kind != Kind.JOIN and _is_same(of_leg[0], _left_at(participant)):
            causes[participant.pk, "left"] = of_leg[0]
    return causes


def _is_same(command: Command, at: datetime | None) -> bool:
    return at is not None and abs(command.asked_at - at) <= SAME_MOVE


def _left_at(participant: Participant) -> datetime | None:
    return None if participant.present else participant.left_at


def _joins_and_leaves(
    participants: Sequence[Participant], called: Mapping[str, str], *, told: Collection[Move]
) -> list[TimelineEntry]:
    """Return who came and went, but for what a supervisor's command tells already."""
    entries = []
    transfers = {participant.pk for participant in changes_of_agent(participants)[1:]}
    for participant in participants:
        name = {"name": called[participant.leg.call_control_id]}
        if participant.joined_at and participant.pk in transfers:
            text = _("Transferred to %(name)s") % name
            entries.append(TimelineEntry(participant.joined_at, "transfer", text, icon="transfer"))
        elif participant.joined_at and (participant.pk, "joined") not in told:
            entries.append(TimelineEntry(participant.joined_at, "joined", _("%(name)s joined") % name))
        if (left_at := _left_at(participant)) and (participant.pk, "left") not in told:
            entries.append(TimelineEntry(left_at, "left", _("%(name)s left") % name))
    return entries


def called_in(participants: Sequence[Participant]) -> dict[str, str]:
    """Return what everybody who is or was in a call is called, by call_control_id; supervisors by their names."""
    legs = [one.leg.call_control_id for one in participants if one.leg.party == Leg.Party.SUPERVISOR]
    ears = Ear.objects.filter(call_control_id__in=legs).select_related("user") if legs else []
    supervisors = {ear.call_control_id: names.person(ear.user) for ear in ears}
    return {one.leg.call_control_id: names.leg_and_party(one.leg) for one in participants} | supervisors


def _holds(
    conference: Conference, participants: Sequence[Participant], called: Mapping[str, str]
) -> list[TimelineEntry]:
    """Return when a phone put the call on hold and took it back, and who a reading shows on hold now."""
    entries = []
    for participant in participants:
        name = {"name": called[participant.leg.call_control_id]}
        since, until = _stay(conference, participant)
        for milliseconds, held in holds(participant.leg.facts):
            at = datetime.fromtimestamp(milliseconds / 1000, UTC)
            text = _("%(name)s pressed hold") if held else _("%(name)s ended the hold")
            if (since is None or at >= since) and (until is None or at <= until):
                entries.append(TimelineEntry(at, "hold", text % name, icon="pause"))
        if participant.on_hold and participant.held_since:
            text = _("%(name)s was put on hold")
            entries.append(TimelineEntry(participant.held_since, "hold", text % name, icon="pause"))
    return entries


def _stay(conference: Conference, participant: Participant) -> tuple[datetime | None, datetime | None]:
    """Return from when to when somebody was in a call; the leg may have been in another before, and be in one since."""
    left_at = None if participant.present else participant.left_at
    since = max(filter(None, (conference.started_at, participant.joined_at)), default=None)
    return since, min(filter(None, (conference.ended_at, left_at)), default=None)


def _notes(notes: Iterable[NoteLine]) -> list[TimelineEntry]:
    return [
        TimelineEntry(
            note.at,
            "note",
            _("Note by %(name)s") % {"name": note.author},
            names.harmless(note.text, limit=NOTE_SHOWN),
            icon="note",
        )
        for note in notes
    ]


def _commands(
    commands: Iterable[Command], participants: Sequence[Participant], *, seen: Collection[UUID]
) -> list[TimelineEntry]:
    targets = {str(participant.leg_id): names.leg_name(participant.leg) for participant in participants}
    return [_command(command, targets, is_seen=command.pk in seen) for command in commands]


def _command(command: Command, targets: dict[str, str], *, is_seen: bool) -> TimelineEntry:
    """Tell a command; one that was seen to be executed is done, whatever was answered."""
    is_verified = command.state == Command.State.VERIFIED
    to = names.listed([targets[target] for target in command.targets if target in targets])
    role = command.get_role_display()
    text = str((_DONE if is_verified or is_seen else _WANTED)[Command.Kind(command.kind)]) % {
        "who": names.person(command.actor),
        "role": _("%(role)s to %(names)s") % {"role": role, "names": to} if to else role,
    }
    # Commands of the previous release have no cause; nearly all of them were pressed.
    if command.cause not in {"", Cause.PRESSED, Cause.KEYED}:
        text = f"{text} ({command.get_cause_display()})"
    # A join that was seen says nothing about the role; a leave that was seen leaves nothing open.
    is_settled = is_verified or (is_seen and command.kind != Kind.JOIN)
    told = [] if is_settled else [str(command.get_state_display())]
    told += [names.plain(command.outcome, limit=200)] if command.outcome else []
    return TimelineEntry(
        command.asked_at, f"command-{command.state}", text, ": ".join(told), role=command.role, icon="headset"
    )

"""What happened in one conference, newest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from django.utils.translation import gettext as _

from conferences.models import Command, Conference, Leg, Participant, WebhookEvent

from . import names
from .cards import leg_name

LENGTH = 30
SPEAKER_CHANGES = 8
SPEAKERS_READ = 24


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline."""

    at: datetime
    kind: str
    text: str
    outcome: str = ""


def timeline(conference: Conference, stays: Iterable[Participant]) -> tuple[Entry, ...]:
    """Return the newest entries: stays from the projected rows, so that a board fed by polling has them too."""
    stays = list(stays)
    called = {stay.leg.call_control_id: _called(stay.leg) for stay in stays}
    entries = [*_milestones(conference), *_stays(stays), *_speakers(conference, called), *_commands(conference, stays)]
    entries.sort(key=lambda entry: entry.at, reverse=True)
    return tuple(entries[:LENGTH])


def _milestones(conference: Conference) -> list[Entry]:
    entries = []
    if conference.started_at:
        entries.append(Entry(conference.started_at, "started", _("Call started")))
    if conference.ended_at:
        entries.append(Entry(conference.ended_at, "ended", _("Call ended")))
    return entries


def _stays(stays: list[Participant]) -> list[Entry]:
    entries = []
    for stay in stays:
        name = {"name": _called(stay.leg)}
        if stay.joined_at:
            entries.append(Entry(stay.joined_at, "joined", _("%(name)s joined") % name))
        if stay.left_at and not stay.present:
            entries.append(Entry(stay.left_at, "left", _("%(name)s left") % name))
    return entries


def _speakers(conference: Conference, called: dict[str, str]) -> list[Entry]:
    named = WebhookEvent.objects.filter(
        account=conference.account_id,
        conference_telnyx_id=conference.telnyx_id,
        event_type="conference.floor.changed",
    ).order_by("-occurred_at")
    newest = named.values_list("occurred_at", "call_control_id")[:SPEAKERS_READ]
    entries = []
    # Who is named again has not changed: of those in a row, the first began.
    for speaker, turn in groupby(newest, key=itemgetter(1)):
        *_again, (began, _speaker) = turn
        if speaker in called:
            entries.append(Entry(began, "speaker", _("Change of speaker: %(name)s") % {"name": called[speaker]}))
    return entries[:SPEAKER_CHANGES]


def _commands(conference: Conference, stays: list[Participant]) -> list[Entry]:
    targets = {str(stay.leg_id): leg_name(stay.leg) for stay in stays}
    commands = Command.objects.filter(conference=conference).select_related("actor").order_by("-asked_at")[:LENGTH]
    return [_command(command, targets) for command in commands]


def _command(command: Command, targets: dict[str, str]) -> Entry:
    wish = str(command.get_role_display() if command.role else command.get_kind_display())
    to = names.listed([targets[target] for target in command.targets if target in targets])
    text = _("%(who)s asked: %(wish)s") % {
        "who": names.person(command.actor),
        "wish": _("%(wish)s to %(names)s") % {"wish": wish, "names": to} if to else wish,
    }
    outcome = str(command.get_state_display())
    if command.outcome:
        outcome = f"{outcome}: {names.plain(command.outcome, limit=200)}"
    return Entry(command.asked_at, f"command-{command.state}", text, outcome)


def _called(leg: Leg) -> str:
    if leg.party == Leg.Party.SUPERVISOR:
        return _("A supervisor")
    if leg.party == Leg.Party.CUSTOMER:
        return _("Customer %(number)s") % {"number": leg_name(leg)}
    if leg.agent is None:
        return _("Unknown leg %(number)s") % {"number": leg_name(leg)}
    return leg_name(leg)

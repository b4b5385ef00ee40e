"""Doubt about who is heard: requests that may still be executed late, and roles that no reading shows."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from conferences.clients import client_for
from conferences.listings import note_participants
from conferences.models import Command, Ear, SupervisorSession
from conferences.models.supervision import Role
from conferences.telnyx.client import Rejected, Unanswered

from .commands import LOUD, clock
from .readback import READ_PATIENCE

MAY_RUN_FOR = timedelta(seconds=120)
LOOK_EVERY = timedelta(seconds=2)


def look_while_doubtful(ear: Ear, *, now: datetime) -> None:
    """Read every other second while a louder role, or a joining, without an answer may still be executed."""
    may_run = Command.objects.filter(ear=ear, http_status=None, sent_at__gte=now - MAY_RUN_FOR)
    unanswered = may_run.filter(Q(role__in=LOUD) | Q(kind=Command.Kind.JOIN)).exclude(state=Command.State.VERIFIED)
    command = unanswered.select_related("conference__account").order_by("-sent_at").first()
    if command is None or command.sent_at is None or command.conference is None:
        return
    if command.conference.ended_at is not None or now < command.sent_at + LOOK_EVERY * (command.reads + 1):
        return
    Command.objects.filter(pk=command.pk).update(reads=command.reads + 1)
    at = clock()
    try:
        reads = client_for(ear.account).participants(command.conference.telnyx_id, patience=READ_PATIENCE)
    except (Rejected, Unanswered):
        return  # the next look is two seconds away
    note_participants(conference=command.conference, reads=reads, at=at)


def may_still_run(session: SupervisorSession, *, now: datetime) -> tuple[Command, ...]:
    """Return the louder commands of a stay without an answer: each may be executed late, after any monitor."""
    unanswered = Command.objects.filter(session=session, role__in=LOUD, http_status=None)
    # One that is just being sent has no time of sending yet.
    being_sent = Q(sent_at=None, state=Command.State.ASKED, asked_at__gte=now - MAY_RUN_FOR)
    recent = unanswered.filter(Q(sent_at__gte=now - MAY_RUN_FOR) | being_sent)
    return tuple(recent.exclude(state=Command.State.VERIFIED))


def is_in_doubt(command: Command, session: SupervisorSession) -> bool:
    """Say whether an accepted monitor may still be heard by everyone, where no reading would show it."""
    if command.kind != Command.Kind.UPDATE or command.role != Role.MONITOR or session.inside_at is None:
        return False
    spoke = Command.objects.filter(session=session, role__in=[Role.BARGE, Role.NONE], asked_at__gte=session.inside_at)
    return not session.ear.dialled_by_us or spoke.exclude(state=Command.State.REJECTED).exists()

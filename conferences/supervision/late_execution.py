"""Looks for louder roles that Telnyx executes long after they were sent, and silences them again."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext as _

from conferences.clients import client_for
from conferences.fast_sql import has_rows
from conferences.models import Command, Ear, SupervisorSession
from conferences.models.supervision import Role
from conferences.projection.listings import note_participants
from conferences.telnyx.errors import Rejected, Unanswered

from .commands import clock, is_replaced, settle
from .readback import POSSIBLE_STATES, READ_PATIENCE, Verdict, judge_reads, still_executable
from .roles import silence_again

State = Command.State
LOOK_EVERY = timedelta(seconds=2)
FIRST_LOOK_AFTER = timedelta(seconds=1)


def look_while_doubtful(ear: Ear, *, now: datetime) -> None:
    """Read every other second while a louder role, or a joining without an answer, may still be executed.

    A louder role that turns out to be in force after something quieter was asked is silenced again at once.
    """
    if not _may_be_doubtful(ear):
        return
    joining = Q(kind=Command.Kind.JOIN, http_status=None)
    commands = still_executable(
        Command.objects.filter(Q(role__in=Role.audible_to_somebody()) | joining, ear=ear), now=now
    )
    command = commands.newest()
    if command is None or now < _next_look(command):
        return
    replaced = is_replaced(command)
    if command.http_status is not None and not (
        replaced and has_rows(SupervisorSession, id=command.session_id, ended_at=None)
    ):
        return  # the ordinary reading back follows it
    if command.conference is None or command.conference.ended_at is not None:
        return
    session = command.session
    Command.objects.filter(pk=command.pk).update(looked_at=now)
    at = clock()
    try:
        reads = client_for(ear.account).participants(command.conference.telnyx_id, patience=READ_PATIENCE)
    except (Rejected, Unanswered):
        return  # the next look is two seconds away
    note_participants(conference=command.conference, reads=reads, at=at)
    if session is None or session.ended_at is not None or not command.is_audible or not replaced:
        return
    if judge_reads(command, session, reads) is Verdict.CONFIRMED:
        silence_late(command, session, now=now)


def _may_be_doubtful(ear: Ear) -> bool:
    possible = {"ear_id": ear.pk, "state": POSSIBLE_STATES}
    louder = has_rows(Command, role=Role.audible_to_somebody(), **possible)
    return louder or has_rows(Command, kind=Command.Kind.JOIN, http_status=None, **possible)


def _next_look(command: Command) -> datetime:
    since = command.sent_at or command.asked_at
    return since + FIRST_LOOK_AFTER if command.looked_at is None else max(since, command.looked_at) + LOOK_EVERY


def silence_late(command: Command, session: SupervisorSession, *, now: datetime) -> None:
    """Answer a louder role that is in force although something else was asked after it: monitor, once more."""
    newest = Command.objects.filter(session=session).newest(Command.Kind.JOIN, Command.Kind.UPDATE)
    if newest is not None and (newest.role, newest.targets) == (command.role, command.targets):
        return  # the newest command asks for the same role
    settle(
        command,
        State.VERIFIED,
        outcome=_("Telnyx did it late, after a later change. You were silenced again."),
        now=now,
    )
    silence_again(session, now=now)

"""Follows supervisors' legs that the center's own call flow brought into a conference.

Floorline did not dial this leg. Until its owner presses something, the session only shows what Telnyx shows. Leave
takes it out and does not hang it up. Exception: Telnyx keeps an audible leg inside after a leave; then it is hung up
(docs/decisions/0004-adopted-legs.md). A line whose owner may not listen here, or has another in use, is only recorded.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from conferences import audit
from conferences.audit import Action
from conferences.changes import board_change
from conferences.fast_sql import has_rows, load_rows, load_values
from conferences.models import (
    Account,
    Cause,
    Command,
    Conference,
    Ear,
    Leg,
    Line,
    Participant,
    SupervisorSession,
    UnsteeredLine,
)
from conferences.models.supervision import Role
from conferences.permissions import rights_book, teams_of
from conferences.projection.columns import joined_on_our_clock
from conferences.protections import why_protected
from conferences.recognition import directory_for, marks_of, supervisor_line

from .authorisation import audience_of
from .sessions import finish, leave_session, session_of
from .unsteered_lines import end_record_of, end_records, record_line

Stage = SupervisorSession.Stage


def adopt(*, now: datetime) -> None:
    """Pin every leg on a supervisor's line that is in a conference and belongs to no ear; record the others."""
    end_records(now=now)
    if not _some_line_is_free():
        return
    ears = Ear.objects.filter(account=OuterRef("account"), call_control_id=OuterRef("leg__call_control_id"))
    participants = Participant.objects.filter(
        ~Exists(ears.filter(ended_at=None)),
        ~Exists(ears.filter(dialled_by_us=True)),
        present=True,
        leg__party=Leg.Party.SUPERVISOR,
        leg__hung_up_at=None,
        conference__ended_at=None,
    )
    for account in Account.objects.filter(pk__in=participants.values("account")):
        found = list(participants.filter(account=account).select_related("leg", "conference__account").order_by("pk"))
        marks = {
            participant.pk: marks_of(participant.leg.call_control_id, participant.leg.facts) for participant in found
        }
        directory = directory_for(account, marks.values())
        line_ids = {participant.pk: supervisor_line(marks[participant.pk], directory) for participant in found}
        lines = Line.objects.select_related("user").in_bulk([pk for pk in line_ids.values() if pk is not None])
        for participant in found:
            line = lines.get(line_ids[participant.pk])
            # A line that Floorline took out has left, although the board may still show it.
            if line is None or _is_let_go(participant):
                continue
            reason = _why_not_steered(participant, line.user)
            if reason is None:
                _pin(participant, line, now=now)
            else:
                shown, since = _role_shown(participant), _seen_since(participant, now=now)
                record_line(participant, line, reason=reason, shown=shown, since=since, now=now)


def _some_line_is_free() -> bool:
    """Return whether a supervisor's line is up that belongs to no live ear: a quick question, asked every second."""
    lines = load_rows(Leg, defer=("facts",), party=Leg.Party.SUPERVISOR, hung_up_at=None)
    known = {(ear.account_id, ear.call_control_id) for ear in load_rows(Ear, ended_at=None)} if lines else set()
    return any((leg.account_id, leg.call_control_id) not in known for leg in lines)


def mirror_call_flow(ear: Ear, *, now: datetime) -> bool:
    """Keep the session of an adopted leg as Telnyx shows it; return whether nobody has commanded this leg yet."""
    if ear.dialled_by_us:
        return False
    session = session_of(ear)
    if session is None or _commanded(session):
        return False
    legs = load_values(Leg, "id", account_id=ear.account_id, call_control_id=ear.call_control_id)
    found = load_rows(Participant, conference_id=session.conference_id, leg_id=legs, present=True)
    participant = next(iter(found), None)
    if participant is None or session.conference.ended_at is not None:
        finish(session, reason=_("Your phone is no longer in the call."), now=now)
    elif not _may_listen(session.user, session.conference):
        # Nothing is sent, because the center's call flow brought this leg in and Floorline has changed nothing.
        finish(session, reason=_("You are no longer allowed to listen here."), now=now)
    elif protected := why_protected(session.conference_id):
        # Nobody may hear this call, whoever brought the line in.
        leave_session(session, reason=protected, cause=Cause.RIGHTS, now=now)
        return False
    else:
        _show(session, participant, now=now)
    return True


def _pin(participant: Participant, line: Line, *, now: datetime) -> None:
    """Make a line that the call flow brought in its owner's ear, in the role in which it was read."""
    with board_change(now=now) as change:
        # Under the version's lock, because every other writer of ears takes it too.
        if Ear.objects.live().filter(user=line.user).exists():
            return
        session = _begin_inside(participant, _ear_on(participant, line, now=now), now=now)
        audit.record(
            Action.ADOPTED,
            at=now,
            actor=line.user,
            conference=session.conference,
            session=session,
            role=session.role,
            targets=session.targets,
            detail="the center's call flow brought this line in",
        )
        end_record_of(participant, change=change, now=now)
        change.touch(session.conference_id)


def _ear_on(participant: Participant, line: Line, *, now: datetime) -> Ear:
    """Return the ear on a leg; one that was let go before lives again."""
    leg = participant.leg
    ear, _new = Ear.objects.update_or_create(
        account=participant.account,
        call_control_id=leg.call_control_id,
        defaults={
            "user": line.user,
            "line": line,
            "kind": line.kind,
            "dialled_by_us": False,
            "state": Ear.State.CONNECTED,
            "created_at": leg.started_at or now,
            "connected_at": leg.answered_at or now,
            "ended_at": None,
            "end_reason": "",
        },
    )
    return ear


def _begin_inside(participant: Participant, ear: Ear, *, now: datetime) -> SupervisorSession:
    """Begin a session whose line is inside already, as Telnyx shows it."""
    role, targets = _role_shown(participant)
    return SupervisorSession.objects.create(
        user=ear.user,
        ear=ear,
        conference=participant.conference,
        stage=Stage.INSIDE,
        wanted_role=role,
        wanted_targets=targets,
        wanted_at=now,
        audience_seen=sorted(audience_of(participant.conference)),
        role=role,
        targets=targets,
        verified_at=participant.read_at,
        notice=_("Your phone system put your phone into this call. You can control it from here as usual."),
        started_at=now,
        inside_at=_joined_at(participant) or now,
    )


def _why_not_steered(participant: Participant, owner: User) -> UnsteeredLine.Reason | None:
    """Return why a line is only recorded; None where its owner may control it."""
    if not _may_listen(owner, participant.conference):
        return UnsteeredLine.Reason.NO_RIGHT
    return UnsteeredLine.Reason.OTHER_LINE if Ear.objects.live().filter(user=owner).exists() else None


def _is_let_go(participant: Participant) -> bool:
    """Return whether Floorline took this very participant out: nothing has shown the line inside since."""
    last = _sessions_of(participant).filter(ended_at__isnull=False).order_by("-ended_at").first()
    newest = Command.objects.filter(session=last).newest() if last is not None else None
    if last is None or newest is None or last.ended_at is None:
        return False
    listed = participant.listed_at is not None and participant.listed_at > last.ended_at
    return not listed and participant.came_in <= newest.generation


def _seen_since(participant: Participant, *, now: datetime) -> datetime:
    """Return when a line came in; where it was recorded or pinned before, that record has its own time."""
    earlier = UnsteeredLine.objects.filter(leg=participant.leg, conference=participant.conference).exists()
    joined_at = _joined_at(participant)
    if earlier or joined_at is None or _was_released(participant, joined_at=joined_at):
        return now
    return joined_at


def _commanded(session: SupervisorSession) -> bool:
    return has_rows(Command, session_id=session.pk)


def _was_released(participant: Participant, *, joined_at: datetime) -> bool:
    """Return whether this participant was pinned before, and let go since it joined."""
    return _sessions_of(participant).filter(ended_at__gte=joined_at).exists()


def _joined_at(participant: Participant) -> datetime | None:
    return joined_on_our_clock(participant, account=participant.conference.account)


def _sessions_of(participant: Participant) -> QuerySet[SupervisorSession]:
    return SupervisorSession.objects.filter(
        conference=participant.conference, ear__call_control_id=participant.leg.call_control_id
    )


def _role_shown(participant: Participant) -> tuple[Role, list[str]]:
    """Return the role that was read; what cannot be read counts as audible to everyone."""
    listed = set(participant.whisper_call_control_ids)
    if listed:
        agents = Leg.objects.filter(account=participant.account, call_control_id__in=listed, party=Leg.Party.AGENT)
        targets = [str(pk) for pk in agents.order_by("pk").values_list("pk", flat=True)]
        # Somebody who is no agent is on the list; "whisper" would hide that they hear it.
        return (Role.WHISPER, targets) if len(targets) == len(listed) else (Role.NONE, [])
    return (Role.MONITOR, []) if participant.muted else (Role.NONE, [])


def _show(session: SupervisorSession, participant: Participant, *, now: datetime) -> None:
    role, targets = _role_shown(participant)
    fields: dict[str, Any] = {"role": role, "targets": targets, "wanted_role": role, "wanted_targets": targets}
    fields["verified_at"] = participant.read_at
    if all(getattr(session, name) == value for name, value in fields.items()):
        return
    changed = (session.role, session.targets) != (role, targets)
    with board_change(now=now) as change:
        # A command that began meanwhile is newer than this reading.
        if _commanded(session):
            return
        change.update(SupervisorSession.objects.open().filter(pk=session.pk), **fields)
        change.touch(session.conference_id)
        if changed:
            audit.record(
                Action.ROLE_SEEN,
                at=now,
                actor=session.user,
                conference=session.conference,
                session=session,
                role=role,
                targets=targets,
                detail="changed by the center's call flow",
            )


def _may_listen(user: User, conference: Conference) -> bool:
    teams = teams_of(conference)
    scope = rights_book(user).scope
    return user.is_active and scope.sees(teams) and scope.may_monitor(teams)

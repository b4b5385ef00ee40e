"""Supervisors' legs that the center's own call flow brought into a conference: pinned to their owners.

Floorline did not dial such a leg and does not take charge of it either. Until its owner gives a command, the session
only follows what Telnyx shows; from the first command on it is looked after as any other. It is never hung up on a
mere Leave, because the leg is the call flow's to end; only where Telnyx keeps an audible leg inside although it was
told to let it go is it hung up, since silence goes first (docs/decisions/0004-adopted-legs.md).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from conferences import audit, changes
from conferences.models import Account, Command, Conference, Ear, Leg, Line, Participant, SupervisorSession
from conferences.models.supervision import Role
from conferences.permissions import rights_book, teams_of
from conferences.projection import touch
from conferences.recognition import directory_for, marks_of, supervisor_line

from .audience import audience_of
from .leaving import finish

Stage = SupervisorSession.Stage


def adopt(*, now: datetime) -> None:
    """Pin every leg on a supervisor's line that is in a conference and that no ear holds."""
    held = Ear.objects.filter(account=OuterRef("account"), call_control_id=OuterRef("leg__call_control_id"))
    stays = Participant.objects.filter(
        ~Exists(held.filter(ended_at=None)),
        ~Exists(held.filter(dialled_by_us=True)),
        present=True,
        leg__party=Leg.Party.SUPERVISOR,
        leg__hung_up_at=None,
        conference__ended_at=None,
    )
    for account in Account.objects.filter(pk__in=stays.values("account")):
        found = list(stays.filter(account=account).select_related("leg", "conference__account").order_by("pk"))
        marks = {stay.pk: marks_of(stay.leg.call_control_id, stay.leg.facts) for stay in found}
        directory = directory_for(account, marks.values())
        for stay in found:
            line_id = supervisor_line(marks[stay.pk], directory)
            line = Line.objects.select_related("user").filter(pk=line_id).first() if line_id is not None else None
            if line is not None and _may_be_pinned(stay, line.user):
                _pin(stay, line, now=now)


def follow_center(ear: Ear, *, now: datetime) -> bool:
    """Keep the session of an adopted leg as Telnyx shows it; say whether nobody has commanded this leg yet."""
    if ear.dialled_by_us:
        return False
    sessions = SupervisorSession.objects.select_related("ear", "user", "conference__account")
    session = sessions.filter(ear=ear, ended_at=None).first()
    if session is None or _commanded(session):
        return False
    stay = Participant.objects.filter(
        conference=session.conference_id, leg__call_control_id=ear.call_control_id, present=True
    ).first()
    if stay is None or session.conference.ended_at is not None:
        finish(session, reason=_("Your line is no longer in the conference."), now=now)
    elif not _may_listen(session.user, session.conference):
        # Nothing is sent: the call flow let this leg in, and Floorline has done nothing that could be taken back.
        finish(session, reason=_("You may no longer listen here."), now=now)
    else:
        _show(session, stay, now=now)
    return True


def _pin(stay: Participant, line: Line, *, now: datetime) -> None:
    leg, conference, owner = stay.leg, stay.conference, line.user
    role, targets = _role_shown(stay)
    with transaction.atomic():
        version = changes.advance(now=now)
        # Under the version's lock, as every other way to an ear.
        if Ear.objects.filter(user=owner, ended_at=None).exists():
            return
        ear, _new = Ear.objects.update_or_create(
            account=stay.account,
            call_control_id=leg.call_control_id,
            defaults={
                "user": owner,
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
        session = SupervisorSession.objects.create(
            user=owner,
            ear=ear,
            conference=conference,
            stage=Stage.INSIDE,
            wanted_role=role,
            wanted_targets=targets,
            wanted_at=now,
            audience_seen=sorted(audience_of(conference)),
            role=role,
            targets=targets,
            verified_at=stay.read_at,
            notice=_("Your call flow brought your line in. You steer it from here like any other."),
            started_at=now,
            inside_at=stay.joined_at or now,
        )
        audit.record(
            "adopted", at=now, actor=owner, conference=conference, session=session, role=role, targets=targets,
            detail="the center's call flow brought this line in",
        )  # fmt: skip
        touch(conferences=[conference.pk], version=version)


def _may_be_pinned(stay: Participant, owner: User) -> bool:
    if Ear.objects.filter(user=owner, ended_at=None).exists() or _was_released(stay):
        return False
    return _may_listen(owner, stay.conference)


def _commanded(session: SupervisorSession) -> bool:
    return Command.objects.filter(session=session).exists()


def _was_released(stay: Participant) -> bool:
    """Say whether this very stay was pinned before; what is shown of it may be older than its end."""
    before = SupervisorSession.objects.filter(
        conference=stay.conference, ear__call_control_id=stay.leg.call_control_id, ended_at__isnull=False
    )
    return before.filter(ended_at__gte=stay.joined_at).exists() if stay.joined_at else before.exists()


def _role_shown(stay: Participant) -> tuple[Role, list[str]]:
    """Return the role that was read; what cannot be read counts as audible to everyone."""
    listed = set(stay.whisper_call_control_ids)
    if listed:
        agents = Leg.objects.filter(account=stay.account, call_control_id__in=listed, party=Leg.Party.AGENT)
        targets = [str(pk) for pk in agents.order_by("pk").values_list("pk", flat=True)]
        # Somebody else on the list: to call it a whisper would hide who hears it.
        return (Role.WHISPER, targets) if len(targets) == len(listed) else (Role.NONE, [])
    return (Role.MONITOR, []) if stay.muted else (Role.NONE, [])


def _show(session: SupervisorSession, stay: Participant, *, now: datetime) -> None:
    role, targets = _role_shown(stay)
    fields: dict[str, Any] = {"role": role, "targets": targets, "wanted_role": role, "wanted_targets": targets}
    fields["verified_at"] = stay.read_at
    if all(getattr(session, name) == value for name, value in fields.items()):
        return
    changed = (session.role, session.targets) != (role, targets)
    with transaction.atomic():
        version = changes.advance(now=now)
        # Should a command have begun meanwhile, what it says is newer.
        if _commanded(session):
            return
        SupervisorSession.objects.filter(pk=session.pk, ended_at=None).update(**fields)
        touch(conferences=[session.conference_id], version=version)
        if changed:
            audit.record(
                "role seen", at=now, actor=session.user, conference=session.conference, session=session,
                role=role, targets=targets, detail="changed by the center's call flow",
            )  # fmt: skip


def _may_listen(user: User, conference: Conference) -> bool:
    teams = teams_of(conference)
    book = rights_book(user)
    return user.is_active and book.may_see(teams) and book.in_teams(teams).monitor

"""Records supervisors' lines that the center's own call flow brought in and that Floorline does not control.

Their owner may not listen here, or has another line in use. Floorline sends nothing for such a line; from the first
sight to its end it is in the audit, and on the screen as a supervision.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from conferences import audit
from conferences.audit import Action
from conferences.changes import BoardChange, board_change
from conferences.fast_sql import has_rows
from conferences.models import Cause, Leg, Line, Participant, UnsteeredLine
from conferences.models.supervision import Role


def record_line(
    participant: Participant,
    line: Line,
    *,
    reason: UnsteeredLine.Reason,
    shown: tuple[Role, Sequence[str]],
    since: datetime,
    now: datetime,
) -> None:
    """Begin or go on with the record of a line; `shown` is the role that was read, with the legs it reaches."""
    role, targets = shown[0], list(shown[1])
    row = UnsteeredLine.objects.open().filter(leg=participant.leg, conference=participant.conference).first()
    if row is not None and (row.user_id, row.reason) == (line.user_id, reason):
        _follow(row, role=role, targets=targets, verified_at=participant.read_at, now=now)
        return
    with board_change(participant.conference_id, now=now) as change:
        if row is not None:
            _end(row, because=_("why it is not controlled has changed"), change=change, now=now)
        row = UnsteeredLine.objects.create(
            user=line.user,
            line=line,
            conference=participant.conference,
            leg=participant.leg,
            reason=reason,
            role=role,
            targets=targets,
            verified_at=participant.read_at,
            started_at=since if row is None else now,
        )
        _record(row, Action.UNSTEERED, detail=str(row.get_reason_display()), now=now)


def end_records(*, now: datetime) -> None:
    """End the records of lines that are no longer inside, or no longer taken for a supervisor's."""
    if not has_rows(UnsteeredLine, ended_at=None):
        return
    for row in UnsteeredLine.objects.open().select_related("user", "conference", "leg"):
        inside = Participant.objects.filter(leg=row.leg_id, conference=row.conference_id, present=True).exists()
        if not inside or row.leg.hung_up_at is not None or row.conference.ended_at is not None:
            because = _("no longer inside")
        elif row.leg.party != Leg.Party.SUPERVISOR:
            because = _("no longer taken for a supervisor's line")
        else:
            continue
        with board_change(row.conference_id, now=now) as change:
            _end(row, because=because, change=change, now=now)


def end_record_of(participant: Participant, *, change: BoardChange, now: datetime) -> None:
    """End the record of a line that is controlled from now on."""
    found = Q(leg=participant.leg_id, conference=participant.conference_id)
    for row in UnsteeredLine.objects.open().filter(found).select_related("user", "conference"):
        _end(row, because=_("controlled from Floorline from now on"), change=change, now=now)


def _follow(row: UnsteeredLine, *, role: Role, targets: list[str], verified_at: datetime | None, now: datetime) -> None:
    if (row.role, row.targets, row.verified_at) == (role, targets, verified_at):
        return
    changed = (row.role, row.targets) != (role, targets)
    with board_change(now=now) as change:
        rows = UnsteeredLine.objects.open().filter(pk=row.pk)
        if change.update(rows, role=role, targets=targets, verified_at=verified_at) and changed:
            change.touch(row.conference_id)
            row.role, row.targets, row.verified_at = role, targets, verified_at
            _record(row, Action.ROLE_SEEN, detail="changed by the center's call flow", now=now)


def _end(row: UnsteeredLine, *, because: str, change: BoardChange, now: datetime) -> None:
    if change.update(UnsteeredLine.objects.open().filter(pk=row.pk), ended_at=now, end_reason=because):
        detail = _("%(why)s; %(end)s; inside since %(since)s") % {
            "why": row.get_reason_display(),
            "end": because,
            "since": f"{row.started_at:%Y-%m-%d %H:%M:%S} UTC",
        }
        _record(row, Action.UNSTEERED_ENDED, detail=detail, now=now)


def _record(row: UnsteeredLine, action: Action, *, detail: str, now: datetime) -> None:
    read = f"as read {row.verified_at:%H:%M:%S} UTC" if row.verified_at else "not read yet, so it counts as audible"
    audit.record(
        action,
        at=now,
        actor=row.user,
        conference=row.conference,
        role=row.role,
        targets=row.targets,
        cause=Cause.CALL_FLOW,
        detail=f"{detail}; {read}",
    )

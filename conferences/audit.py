"""Adds entries to the audit; no other module does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from conferences.models.records import audit_actions

from .fast_sql import add_row
from .models import AuditEntry, Cause, Command, Conference, SupervisorSession

Action = AuditEntry.Action
KNOWN = frozenset(value for value, _label in audit_actions())


def record(
    action: str,
    *,
    at: datetime,
    actor: User | None,
    conference: Conference | None = None,
    session: SupervisorSession | None = None,
    command: Command | None = None,
    role: str = "",
    targets: Iterable[Any] = (),
    cause: Cause | str = "",
    detail: str = "",
) -> None:
    """Add one entry: what happened, on whose line, why, where, and in which words. A command tells its own cause."""
    if action not in KNOWN:
        raise ValueError(f"the audit knows no action {action!r}: see AuditEntry.Action and command_action")
    add_row(
        AuditEntry(
            at=at,
            actor=actor,
            action=action,
            cause=cause or (command.cause if command else ""),
            account_id=conference.account_id if conference else command.account_id if command else None,
            conference_id=conference.pk if conference else None,
            conference_name=_name_of(conference)[:200],
            session_id=session.pk if session else None,
            command_id=command.pk if command else None,
            role=role,
            targets=[str(target) for target in targets],
            detail=str(detail)[:300],
        )
    )


def _name_of(conference: Conference | None) -> str:
    """Return the name as the audit keeps it: masked, and the whole id where there is none, as rows may be deleted."""
    return (str(conference) if conference.name else conference.telnyx_id) if conference else ""

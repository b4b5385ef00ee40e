"""The one way to add to the audit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from .models import AuditEntry, Command, Conference, SupervisorSession
from .rows import add_row


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
    detail: str = "",
) -> None:
    """Add one entry: what happened, who did it, where, and in which words."""
    add_row(
        AuditEntry(
            at=at,
            actor=actor,
            action=action,
            account_id=conference.account_id if conference else command.account_id if command else None,
            conference_id=conference.pk if conference else None,
            conference_name=str(conference)[:200] if conference else "",
            session_id=session.pk if session else None,
            command_id=command.pk if command else None,
            role=role,
            targets=[str(target) for target in targets],
            detail=str(detail)[:300],
        )
    )

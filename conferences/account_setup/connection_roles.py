"""Stores which of an account's connections carries what, and notes each change in the audit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from conferences import audit
from conferences.models import Account, Connection


@dataclass(frozen=True, slots=True)
class ChosenRole:
    """The role that somebody chose for a connection, which events may not have named yet."""

    connection_id: str
    name: str
    """At Telnyx."""
    role: str


def choose_roles(
    account: Account, chosen: Iterable[ChosenRole], *, actor: User | None, now: datetime
) -> list[Connection]:
    """Store the roles that are new; return the connections that changed. The caller has live legs recognised again."""
    changed = []
    with transaction.atomic():
        roles = dict(Connection.objects.filter(account=account).values_list("connection_id", "role"))
        for each in chosen:
            if roles.get(each.connection_id, Connection.Role.UNASSIGNED) == each.role:
                continue
            connection, _created = Connection.objects.get_or_create(account=account, connection_id=each.connection_id)
            before, connection.role = connection.role, each.role
            connection.name = connection.name or each.name
            connection.save(update_fields=["role", "name"])
            note_role(connection, before=before, actor=actor, now=now)
            changed.append(connection)
    return changed


def note_role(connection: Connection, *, before: str, actor: User | None, now: datetime) -> None:
    """Note in the audit that a connection carries something else now: it decides whose its legs are."""
    detail = f"phone application “{connection}”: {before} → {connection.role}"
    audit.record(audit.Action.SCOPE_CHANGED, at=now, actor=actor, detail=detail)

"""The few rows that decide whose a batch of legs is, read in a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings

from conferences.models import Account, Agent, Connection, Ear, Line
from conferences.rows import load_rows, load_values

from .marks import TELNYX_DOMAINS, LegMarks, SipAddress, header_value, plain, value_in_client_state


@dataclass(frozen=True, slots=True)
class KnownConnection:
    """What an admin said about a connection."""

    name: str
    role: str
    team_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Agents by their marks, supervisors' lines, connections by Telnyx's id, and the legs that are ears."""

    agent_path: str = ""
    agent_header: str = ""
    customer_mark: str = ""
    ear_connection_id: str = ""
    by_sip: Mapping[str, int] = field(default_factory=dict)
    by_number: Mapping[str, int] = field(default_factory=dict)
    by_reference: Mapping[str, int] = field(default_factory=dict)
    lines: Mapping[str, UUID] = field(default_factory=dict)
    connections: Mapping[str, KnownConnection] = field(default_factory=dict)
    ear_legs: frozenset[str] = frozenset()

    def role_of(self, connection_id: str) -> str:
        """Return a connection's role; an admin's word goes before the account's ear application."""
        known = self.connections.get(connection_id)
        if known is not None and known.role != Connection.Role.UNASSIGNED:
            return known.role
        if connection_id and connection_id == self.ear_connection_id:
            return Connection.Role.EAR
        return Connection.Role.UNASSIGNED

    def line_of(self, address: SipAddress | None) -> UUID | None:
        """Return the line with that SIP address."""
        if address is None:
            return None
        return next((self.lines[form] for form in _forms(address) if form in self.lines), None)

    def name_of(self, connection_id: str) -> str:
        """Return a connection's name, or its id where it has none."""
        known = self.connections.get(connection_id)
        return (known.name if known else "") or connection_id


def directory_for(account: Account, marks: Iterable[LegMarks], *, connection_ids: Iterable[str] = ()) -> Directory:
    """Read what these legs (and these further connections) need: at most six queries."""
    batch = list(marks)
    wanted = {mark.connection_id for mark in batch if mark.connection_id}
    wanted |= {connection_id for given in connection_ids if (connection_id := plain(given, limit=64))}
    agents = _agents(account, batch)
    return Directory(
        agent_path=account.agent_path,
        agent_header=account.agent_header,
        customer_mark=account.customer_mark,
        # Not account.credentials(): admin pages load accounts without their key.
        ear_connection_id=account.ear_connection_id or settings.TELNYX_CONNECTION_ID,
        by_sip={agent.sip_username: agent.pk for agent in agents if agent.sip_username},
        by_number={agent.number: agent.pk for agent in agents if agent.number},
        by_reference={agent.reference: agent.pk for agent in agents if agent.reference},
        lines=_lines(batch),
        connections=_connections(account, wanted),
        ear_legs=_ear_legs(account, {mark.call_control_id for mark in batch if mark.call_control_id}),
    )


def note_connections(account: Account, connection_ids: Iterable[str], directory: Directory) -> None:
    """Keep connections that nobody named yet as "unassigned"; a query only when there is a new one."""
    new = {connection_id for given in connection_ids if (connection_id := plain(given, limit=64))}
    new -= directory.connections.keys() | {directory.ear_connection_id}
    if new:
        rows = [Connection(account=account, connection_id=connection_id) for connection_id in sorted(new)]
        Connection.objects.bulk_create(rows, ignore_conflicts=True)


def _agents(account: Account, batch: list[LegMarks]) -> list[Agent]:
    sip: set[str] = set()
    numbers: set[str] = set()
    references: set[str] = set()
    for mark in batch:
        for address in (mark.from_sip, mark.caller_sip, mark.to_sip):
            if address is not None:
                sip |= {address.user, f"{address.user}@{address.host}"}
        numbers.add(mark.dialled_number)
        if account.agent_path:
            references.add(value_in_client_state(mark.client_state, account.agent_path))
        if account.agent_header:
            value = header_value(mark.headers, account.agent_header)
            references.add(value)
            sip.add(value)
    wanted = {"sip_username": sip - {""}, "number": numbers - {""}, "reference": references - {""}}
    found = [agent for name, values in wanted.items() if values for agent in load_rows(Agent, **{name: values})]
    return list({agent.pk: agent for agent in found}.values())


def _lines(batch: list[LegMarks]) -> dict[str, UUID]:
    wanted = {mark.dialled_number for mark in batch} - {""}
    for mark in batch:
        for address in filter(None, (mark.from_sip, mark.caller_sip, mark.to_sip)):
            wanted.update(_forms(address))
    return {line.address: line.pk for line in load_rows(Line, address=wanted)} if wanted else {}


def _forms(address: SipAddress) -> list[str]:
    """Return how the same phone may be written on a line: at Telnyx every region's host means the one credential."""
    hosts = [f"sip.{domain}" for domain in TELNYX_DOMAINS] if address.at_telnyx else []
    return [f"sip:{address.user}@{host}" for host in dict.fromkeys([address.host, *hosts])]


def _connections(account: Account, connection_ids: set[str]) -> dict[str, KnownConnection]:
    if not connection_ids:
        return {}
    rows = load_rows(Connection, account_id=account.pk, connection_id=connection_ids)
    return {row.connection_id: KnownConnection(row.name, row.role, row.team_id) for row in rows}


def _ear_legs(account: Account, call_control_ids: set[str]) -> frozenset[str]:
    # Ended ears too: their legs were never anybody else's.
    if not call_control_ids:
        return frozenset()
    return frozenset(load_values(Ear, "call_control_id", account_id=account.pk, call_control_id=call_control_ids))

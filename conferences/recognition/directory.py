"""Reads the rows that decide to whom legs belong, in a constant number of queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase, ascii_uppercase
from uuid import UUID

from conferences.fast_sql import load_rows, load_values
from conferences.models import Account, Agent, Connection, Ear, Line
from conferences.telnyx.addresses import TELNYX_DOMAINS, Address

from .client_state import values_at
from .marks import LegMarks, header_value, plain

# A country code of one to three digits and ten more, as in the United States; others are longer or written with a +.
SHORTEST_WITH_COUNTRY_CODE = 11
_LATIN_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


@dataclass(frozen=True, slots=True)
class KnownConnection:
    """An admin's entry about a connection."""

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
    by_sip_in_any_case: Mapping[str, int] = field(default_factory=dict)
    """By the name in lower case, where it is one agent's alone."""
    by_number: Mapping[str, int] = field(default_factory=dict)
    by_reference: Mapping[str, int] = field(default_factory=dict)
    lines: Mapping[str, UUID] = field(default_factory=dict)
    connections: Mapping[str, KnownConnection] = field(default_factory=dict)
    ear_legs: frozenset[str] = frozenset()
    callers: Mapping[str, frozenset[int | UUID]] = field(default_factory=dict)
    """By call session: the agents and the lines whose phones began it on a connection of agents."""

    def role_of(self, connection_id: str) -> str:
        """Return a connection's role; a role set by an admin has priority over the account's ear application."""
        known = self.connections.get(connection_id)
        if known is not None and known.role != Connection.Role.UNASSIGNED:
            return known.role
        if connection_id and connection_id == self.ear_connection_id:
            return Connection.Role.EAR
        return Connection.Role.UNASSIGNED

    def agent_with_sip(self, name: str) -> int | None:
        """Return the agent with that SIP name; without regard to case where exactly one fits."""
        agent_id = self.by_sip.get(name)
        return self.by_sip_in_any_case.get(name.lower()) if agent_id is None else agent_id

    def agent_with_number(self, number: str) -> int | None:
        """Return the agent whose whole number, country code included, has these digits."""
        return self.by_number.get(_e164(number))

    def line_with_number(self, number: str) -> UUID | None:
        """Return the line with that telephone number."""
        return self.lines.get(_e164(number))

    def line_of(self, address: Address | None) -> UUID | None:
        """Return the line with that SIP address."""
        if address is None:
            return None
        return next((self.lines[form] for form in _forms(address) if form in self.lines), None)

    def name_of(self, connection_id: str) -> str:
        """Return a connection's name, or its id where it has none."""
        known = self.connections.get(connection_id)
        return (known.name if known else "") or connection_id


def read_directory(account: Account, batch: Sequence[LegMarks], *, connection_ids: Iterable[str] = ()) -> Directory:
    """Read what these legs (and these further connections) need, without `callers`: at most six queries."""
    wanted = {mark.connection_id for mark in batch if mark.connection_id}
    wanted |= {connection_id for given in connection_ids if (connection_id := plain(given, limit=64))}
    agents = _agents(account, batch)
    return Directory(
        agent_path=account.agent_path,
        agent_header=account.agent_header,
        customer_mark=account.customer_mark,
        # Not account.credentials(): admin pages load accounts without their key.
        ear_connection_id=account.ear_connection_id_in_force(),
        by_sip={agent.sip_username: agent.pk for agent in agents if agent.sip_username},
        by_sip_in_any_case=_in_any_case(agents),
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


def _agents(account: Account, batch: Sequence[LegMarks]) -> list[Agent]:
    sip: set[str] = set()
    numbers: set[str] = set()
    references: set[str] = set()
    for mark in batch:
        for address in (mark.from_sip, mark.caller_sip, mark.to_sip):
            if address is not None:
                sip |= {address.user, f"{address.user}@{address.host}"}
        numbers.add(_e164(mark.dialled_number))
        if account.agent_path:
            references.update(values_at(mark.client_state, account.agent_path))
        if account.agent_header:
            value = header_value(mark.headers, account.agent_header)
            references.add(value)
            sip.add(value)
    sip_keys = {key for name in sip for key in _sip_keys(name)}
    wanted = {"LOWER(sip_username)": sip_keys - {""}, "number": numbers - {""}, "reference": references - {""}}
    found = [agent for name, values in wanted.items() if values for agent in load_rows(Agent, **{name: values})]
    return list({agent.pk: agent for agent in found}.values())


def _in_any_case(agents: Sequence[Agent]) -> dict[str, int]:
    names = Counter(agent.sip_username.lower() for agent in agents)
    return {name: agent.pk for agent in agents if (name := agent.sip_username.lower()) and names[name] == 1}


def _sip_keys(name: str) -> tuple[str, ...]:
    """Return a SIP name as databases write it in lower case; some do so with Latin letters only."""
    return name.lower(), name.translate(_LATIN_LOWER)


def _e164(number: str) -> str:
    """Return how a whole number is stored; agents and lines have theirs with + and country code.

    Without a +, fewer digits may be a national number, which could be somebody else's with a country code.
    """
    whole = number.startswith("+") or len(number) >= SHORTEST_WITH_COUNTRY_CODE
    return f"+{number.removeprefix('+')}" if number and whole else ""


def _lines(batch: Sequence[LegMarks]) -> dict[str, UUID]:
    wanted = {_e164(mark.dialled_number) for mark in batch} - {""}
    for mark in batch:
        for address in filter(None, (mark.from_sip, mark.caller_sip, mark.to_sip)):
            wanted.update(_forms(address))
    return {line.address: line.pk for line in load_rows(Line, address=wanted)} if wanted else {}


def _forms(address: Address) -> list[str]:
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

"""Checks that a leg is recognised by evidence, the strongest first, and never by a caller id."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from conferences import changes
from conferences.models import Account, Agent, Conference, Connection, Ear, Leg, Line, Participant, Team
from conferences.recognition import (
    AgentMark,
    Directory,
    Recognition,
    agent_mark,
    directory_for,
    marks_of,
    note_connections,
    recognise,
    recognise_again,
    supervisor_line,
)
from conferences.recognition.directory import KnownConnection

KIM, KIMS_MOBILE, LEAD = uuid4(), uuid4(), uuid4()
CALLS, EAR, PHONES, STRANGE = "278190001", "278190002", "278190003", "278190004"
ANA, MAX = 1, 2
DIRECTORY = Directory(
    agent_path="agent.id",
    agent_header="X-Agent",
    by_sip={"gencredAna": ANA, "max@pbx.example.com": MAX},
    by_number={"+15550100001": ANA},
    by_reference={"ana": ANA, "2": MAX},
    customer_mark="leg.role=customer",
    lines={
        "sip:kim@sip.telnyx.com": KIM,
        "+15550100200": KIMS_MOBILE,
        "sip:gencredAna@sip.telnyx.com": LEAD,  # Ana leads a team as well, on the phone that she takes calls with
        "+15550100001": LEAD,
    },
    connections={
        CALLS: KnownConnection("Calls", Connection.Role.CALLS, None),
        EAR: KnownConnection("Ear", Connection.Role.EAR, None),
        PHONES: KnownConnection("Phones", Connection.Role.AGENTS, None),
        STRANGE: KnownConnection("", Connection.Role.UNASSIGNED, None),
    },
    ear_legs=frozenset({"v3:ear"}),
)


ANAS_ADDRESS: Any = {"calling_party_type": "sip", "from_sip_uri": "gencredAna@sip.telnyx.com"}


def state(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def facts(**values: object) -> dict[str, list[object]]:
    return {key: ["2026-08-21T14:00:00.000000 0 x", value] for key, value in values.items()}


def whose(*, leg: str = "v3:leg", directory: Directory = DIRECTORY, **values: object) -> Recognition:
    named = {key.rstrip("_"): value for key, value in ({"connection_id": CALLS} | values).items()}
    return recognise(marks_of(leg, facts(**named)), directory)


def test_a_leg_dialled_to_an_agents_sip_credential_is_theirs() -> None:
    found = whose(direction="outgoing", to="sip:gencredAna@sip.telnyx.com:5060;transport=tls")
    assert found == Recognition(Leg.Party.AGENT, ANA, "SIP credential gencredAna")


@pytest.mark.parametrize("direction", ["incoming", "outgoing"])
def test_a_call_from_an_agents_phone_on_a_connection_of_agents_is_theirs(direction: str) -> None:
    found = whose(connection_id=PHONES, direction=direction, **ANAS_ADDRESS)
    assert found == Recognition(Leg.Party.AGENT, ANA, "SIP credential gencredAna")


@pytest.mark.parametrize("address", ["gencredAna@sip.telnyx.com", "max@pbx.example.com", "kim@sip.telnyx.com"])
@pytest.mark.parametrize(
    ("connection_id", "party"), [(CALLS, "customer"), (STRANGE, "unknown"), (EAR, "unknown"), (None, "unknown")]
)
def test_a_from_header_is_what_the_caller_writes_and_names_nobody(
    connection_id: str | None, party: str, address: str
) -> None:
    """Neither an agent, whom one could whisper to, nor a supervisor, whose line would be pinned."""
    written: Any = {"from_": f"sip:{address}", "from_sip_uri": address, "caller_name": "Ana Ruiz"}
    found = whose(connection_id=connection_id, direction="incoming", calling_party_type="sip", **written)
    assert (found.party, found.agent_id) == (party, None)
    marks = marks_of("v3:leg", facts(connection_id=connection_id, direction="incoming", from_sip_uri=address))
    assert supervisor_line(marks, DIRECTORY) is None


def test_the_caller_id_that_a_flow_passes_on_is_not_the_one_who_is_dialled() -> None:
    found = whose(direction="outgoing", to="+4930123456142", **ANAS_ADDRESS)
    assert found == Recognition(Leg.Party.UNKNOWN)


def test_a_caller_whose_phone_began_the_session_is_the_one_who_holds_the_credential() -> None:
    proven = replace(DIRECTORY, callers={"session": frozenset({ANA, KIM})})
    called: Any = {"direction": "incoming", "calling_party_type": "sip", "call_session_id": "session"}
    for address, party in [("gencredAna@sip.telnyx.com", "agent"), ("kim@sip.telnyx.com", "supervisor")]:
        assert whose(directory=proven, from_sip_uri=address, **called).party == party
        other = called | {"call_session_id": "another"}
        assert whose(directory=proven, from_sip_uri=address, **other).party == Leg.Party.CUSTOMER
        pstn = called | {"calling_party_type": "pstn"}
        assert whose(directory=proven, from_sip_uri=address, **pstn).party == Leg.Party.CUSTOMER
        # The customer whom Ana's phone calls is in her session, too.
        dialled = called | {"direction": "outgoing", "to": "+4930123456142"}
        assert whose(directory=proven, from_sip_uri=address, **dialled).party == Leg.Party.UNKNOWN
    assert whose(directory=proven, from_sip_uri="max@pbx.example.com", **called).party == Leg.Party.CUSTOMER


@pytest.mark.parametrize(
    "address",
    ["sip:gencredAna@evil.example.com", "sip:gencredAna@sip.telnyx.com.evil.example", "sip:gencredAna@nottelnyx.com"],
)
def test_a_credentials_name_at_somebody_elses_host_is_no_credential(address: str) -> None:
    assert whose(direction="incoming", calling_party_type="sip", from_sip_uri=address).party == Leg.Party.CUSTOMER
    assert whose(direction="outgoing", to=address).party == Leg.Party.UNKNOWN


def test_a_phone_registered_elsewhere_is_matched_by_its_whole_address() -> None:
    assert whose(direction="outgoing", to="sip:max@PBX.example.com").agent_id == MAX
    assert whose(direction="outgoing", to="sip:max@sip.telnyx.com").agent_id is None


def test_an_inbound_pstn_leg_with_an_agents_caller_id_is_a_customer() -> None:
    found = whose(
        from_="+15550100001",
        direction="incoming",
        calling_party_type="pstn",
        from_sip_uri="gencredAna@sip.telnyx.com",
        to="+18005550101",
    )
    assert found == Recognition(Leg.Party.CUSTOMER, None, "called in on Calls")


def test_client_state_names_the_agent_at_the_configured_path() -> None:
    found = whose(direction="incoming", client_state=state({"agent": {"id": "ana", "name": "x"}}))
    assert found == Recognition(Leg.Party.AGENT, ANA, "client_state agent.id")
    assert whose(direction="outgoing", client_state=state({"agent": {"id": 2}})).agent_id == MAX


def test_client_state_says_nothing_until_a_path_is_configured() -> None:
    no_path = Directory(by_reference={"ana": ANA}, connections=DIRECTORY.connections)
    found = whose(directory=no_path, direction="incoming", client_state=state({"agent": {"id": "ana"}}))
    assert found.party == Leg.Party.CUSTOMER


def test_the_sip_credential_goes_before_client_state() -> None:
    found = whose(direction="outgoing", to="sip:gencredAna@sip.telnyx.com", client_state=state({"agent": {"id": 2}}))
    assert found.agent_id == ANA


def test_client_state_goes_before_the_dialled_number() -> None:
    assert whose(direction="outgoing", to="+15550100001", client_state=state({"agent": {"id": 2}})).agent_id == MAX


@pytest.mark.parametrize("to", ["+15550100001", "sip:+15550100001@sip.telnyx.com"])
def test_an_outgoing_leg_to_an_agents_number_is_theirs(to: str) -> None:
    assert whose(direction="outgoing", to=to) == Recognition(Leg.Party.AGENT, ANA, "dialled number")


def test_the_dialled_number_goes_before_the_header() -> None:
    headers = [{"name": "X-Agent", "value": "2"}]
    assert whose(direction="outgoing", to="+15550100001", headers=headers).agent_id == ANA


@pytest.mark.parametrize("value", ["ana", "gencredAna"])
def test_a_header_on_an_outgoing_leg_names_the_agent_by_reference_or_credential(value: str) -> None:
    found = whose(direction="outgoing", to="+15550199999", headers=[{"name": "x-agent", "value": value}])
    assert found == Recognition(Leg.Party.AGENT, ANA, "header X-Agent")


def test_a_header_on_an_incoming_leg_proves_nothing() -> None:
    assert whose(direction="incoming", headers=[{"name": "X-Agent", "value": "ana"}]).party == Leg.Party.CUSTOMER


def test_a_header_given_twice_with_different_agents_proves_nothing() -> None:
    headers = [{"name": "X-Agent", "value": "ana"}, {"name": "X-AGENT", "value": "2"}]
    assert whose(direction="outgoing", to="+15550199999", headers=headers).party == Leg.Party.UNKNOWN


def test_a_call_from_an_agents_phone_is_not_the_leg_of_whom_it_dials() -> None:
    for dialled in ("+15550100001", "sip:gencredAna@sip.telnyx.com"):
        found = whose(connection_id=PHONES, direction="outgoing", calling_party_type="sip", to=dialled)
        assert found == Recognition(Leg.Party.UNKNOWN)


def test_on_the_agents_connection_the_callers_own_word_identifies_them() -> None:
    found = whose(from_="sip:gencredAna@10.0.0.7", connection_id=PHONES, direction="outgoing", calling_party_type="sip")
    assert found == Recognition(Leg.Party.AGENT, ANA, "connection Phones")


def test_a_leg_dialled_on_the_ear_application_is_a_supervisors_even_on_an_agents_credential() -> None:
    found = whose(connection_id=EAR, direction="outgoing", to="sip:gencredAna@sip.telnyx.com")
    assert found == Recognition(Leg.Party.SUPERVISOR, None, "dialled on the ear application")


def test_whoever_calls_in_on_the_ear_application_is_unknown() -> None:
    assert whose(connection_id=EAR, direction="incoming").party == Leg.Party.UNKNOWN


def test_the_accounts_ear_application_counts_until_an_admin_says_otherwise() -> None:
    unassigned = Directory(ear_connection_id=STRANGE, connections=DIRECTORY.connections)
    assert whose(directory=unassigned, connection_id=STRANGE, direction="outgoing").party == Leg.Party.SUPERVISOR
    calls = Directory(ear_connection_id=CALLS, connections=DIRECTORY.connections)
    assert whose(directory=calls, direction="incoming").party == Leg.Party.CUSTOMER


def test_an_ears_leg_is_a_supervisors_on_any_connection() -> None:
    assert (
        whose(leg="v3:ear", direction="outgoing", to="sip:gencredAna@sip.telnyx.com").evidence == "a supervisor's ear"
    )


@pytest.mark.parametrize("connection_id", [CALLS, STRANGE, "278190099"])
@pytest.mark.parametrize("to", ["sip:kim@sip.telnyx.com", "sip:kim@sip.telnyx.eu;transport=tls", "+15550100200"])
def test_a_leg_dialled_to_a_supervisors_line_is_theirs_on_any_connection(connection_id: str, to: str) -> None:
    found = whose(
        connection_id=connection_id, direction="outgoing", to=to, client_state=state({"agent": {"id": "ana"}})
    )
    assert found == Recognition(Leg.Party.SUPERVISOR, None, "a supervisor's line")


def test_a_leg_that_calls_in_with_a_lines_credential_is_the_supervisors() -> None:
    caller: Any = {"calling_party_type": "sip", "from_sip_uri": "kim@sip.telnyx.com:5060"}
    assert whose(connection_id=PHONES, direction="incoming", **caller).party == Leg.Party.SUPERVISOR
    dialling = whose(connection_id=PHONES, direction="outgoing", calling_party_type="sip", from_="sip:kim@10.0.0.7")
    assert dialling.party == Leg.Party.UNKNOWN  # another host, and nobody's credential says so
    dialling = whose(
        connection_id=PHONES, direction="outgoing", calling_party_type="sip", from_="sip:kim@sip.telnyx.com"
    )
    assert dialling.party == Leg.Party.SUPERVISOR


def test_a_supervisors_number_as_a_caller_id_proves_nothing() -> None:
    found = whose(
        from_="+15550100200", direction="incoming", calling_party_type="pstn", from_sip_uri="kim@sip.telnyx.com"
    )
    assert found.party == Leg.Party.CUSTOMER


def test_an_agents_phone_that_dials_a_supervisor_is_not_the_supervisors_leg() -> None:
    for connection_id in (PHONES, STRANGE):
        found = whose(connection_id=connection_id, direction="outgoing", calling_party_type="sip", to="+15550100200")
        assert found == Recognition(Leg.Party.UNKNOWN)


@pytest.mark.parametrize("to", ["sip:gencredAna@sip.telnyx.com", "+15550100001"])
def test_a_phone_that_is_an_agents_and_a_line_takes_calls_for_the_agent(to: str) -> None:
    assert whose(direction="outgoing", to=to).agent_id == ANA
    assert whose(connection_id=EAR, direction="outgoing", to=to).party == Leg.Party.SUPERVISOR


def test_a_customer_whom_the_center_dials_is_known_by_its_mark() -> None:
    note = state({"leg": {"role": "customer"}, "agent": {"id": "ana"}})
    found = whose(direction="outgoing", to="+4930123456142", client_state=note)
    assert found == Recognition(Leg.Party.CUSTOMER, None, "client_state leg.role")
    other = state({"leg": {"role": "agent"}, "agent": {"id": "ana"}})
    assert whose(direction="outgoing", to="+4930123456142", client_state=other).agent_id == ANA


def test_an_agents_credential_goes_before_the_customers_mark() -> None:
    note = state({"leg": {"role": "customer"}})
    assert whose(direction="outgoing", to="sip:gencredAna@sip.telnyx.com", client_state=note).agent_id == ANA


@pytest.mark.parametrize("mark", ["", "role", "=customer", "role="])
def test_an_incomplete_customer_mark_matches_no_leg(mark: str) -> None:
    half = replace(DIRECTORY, customer_mark=mark)
    assert (
        whose(directory=half, direction="outgoing", client_state=state({"": "customer", "role": ""})).party == "unknown"
    )


@pytest.mark.parametrize(("connection_id", "evidence"), [(STRANGE, f"called in on {STRANGE}"), (None, "called in")])
def test_a_caller_from_the_telephone_network_is_a_customer_before_anybody_assigned_the_connection(
    connection_id: str | None, evidence: str
) -> None:
    found = whose(connection_id=connection_id, direction="incoming", calling_party_type="pstn")
    assert found == Recognition(Leg.Party.CUSTOMER, None, evidence)
    assert whose(connection_id=PHONES, direction="incoming", calling_party_type="pstn").party == Leg.Party.UNKNOWN


@pytest.mark.parametrize("connection_id", [STRANGE, "278190099", None, 7, True])
def test_a_caller_on_a_connection_that_nobody_assigned_is_unknown(connection_id: object) -> None:
    assert whose(connection_id=connection_id, direction="incoming").party == Leg.Party.UNKNOWN


def test_a_dialled_leg_without_evidence_is_unknown() -> None:
    assert whose(direction="outgoing", to="+15550199999") == Recognition(Leg.Party.UNKNOWN)


@pytest.mark.parametrize(
    "client_state",
    [
        "not base64!",
        "YW5h",  # "ana": no JSON
        base64.b64encode(b"[" * 9000).decode(),
        base64.b64encode(b'{"agent":' * 1300).decode(),
        base64.b64encode(b"9" * 8000).decode(),
        base64.b64encode(b'{"agent":{"id":"' + b"a" * 50_000 + b'"}}').decode(),
        state({"agent": {"id": ["ana"]}}),
        state({"agent": {"id": True}}),
        state({"agent": {"id": 10**200}}),
        state({"agent": {"id": "ana\x00"}}),
        state({"agent": {"id": "\ud800"}}),
        state({"agent": "ana"}),
        state("ana"),
        base64.b64encode(b"\xff\xfe\x00").decode(),
        {"agent": {"id": "ana"}},
        7,
    ],
)
def test_a_hostile_client_state_names_nobody(client_state: object) -> None:
    assert whose(direction="incoming", client_state=client_state).party == Leg.Party.CUSTOMER


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["from", "to", "direction", "connection_id", "client_state", "from_sip_uri", "to_sip_uri", "headers",
     "calling_party_type"]
)  # fmt: skip


@given(st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()) | st.text() | anything.map(state))
def test_any_client_state_is_read_without_an_error(client_state: str) -> None:
    assert whose(direction="outgoing", client_state=client_state).party == Leg.Party.UNKNOWN


@pytest.mark.slow
@given(st.dictionaries(KEYS, anything | st.tuples(st.text(), anything).map(list), max_size=9))
def test_any_facts_are_read_without_an_error(hostile: dict[str, list[object]]) -> None:
    recognise(marks_of("v3:leg", hostile), DIRECTORY)


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        ({"to": "sip:gencredJo@sip.telnyx.com"}, AgentMark("sip_username", "gencredJo")),
        ({"to": "sip:jo@pbx.example.com"}, AgentMark("sip_username", "jo@pbx.example.com")),
        (
            {"to": "+15550100077", "to_sip_uri": "+15550100077@us.icp.telnyx.com:5060"},
            AgentMark("number", "+15550100077"),
        ),
        ({"to": "anonymous", "headers": [{"name": "X-Agent", "value": "jo"}]}, AgentMark("reference", "jo")),
        ({"client_state": state({"agent": {"id": "jo"}})}, AgentMark("reference", "jo")),
        ({"headers": [{"name": "X-Agent", "value": "jo"}]}, AgentMark("reference", "jo")),
        ({}, None),
    ],
)
def test_an_unmatched_leg_says_what_would_make_it_an_agents(values: dict[str, object], mark: AgentMark | None) -> None:
    named = {"connection_id": CALLS, "direction": "outgoing"} | values
    assert agent_mark(marks_of("v3:leg", facts(**named)), DIRECTORY) == mark


def test_nothing_is_offered_that_the_rules_would_not_accept() -> None:
    caller = {"direction": "incoming", "calling_party_type": "pstn", "connection_id": STRANGE}
    addresses = {"from": "+15550100077", "from_sip_uri": "jo@sip.telnyx.com", "to": "+18005550101"}
    assert agent_mark(marks_of("v3:leg", facts(**caller, **addresses)), DIRECTORY) is None


def test_the_directory_holds_what_the_legs_need(account: Account, ana: Agent, max_falk: Agent) -> None:
    account.agent_path, account.agent_header, account.ear_connection_id = "agent", "X-Agent", EAR
    Connection.objects.create(account=account, connection_id=CALLS, name="Calls", role=Connection.Role.CALLS)
    legs = [
        marks_of("a", facts(direction="outgoing", connection_id=CALLS, to="sip:gencredAna@sip.telnyx.com")),
        marks_of("b", facts(direction="outgoing", connection_id=CALLS, client_state=state({"agent": "max"}))),
        marks_of("c", facts(direction="incoming", connection_id=CALLS, calling_party_type="pstn")),
        marks_of("d", facts(direction="outgoing", connection_id=EAR)),
        marks_of("e", facts(direction="outgoing", headers=[{"name": "X-Agent", "value": "ana"}])),
    ]
    directory = directory_for(account, legs)
    parties = [(found.party, found.agent_id) for found in (recognise(leg, directory) for leg in legs)]
    assert parties == [
        (Leg.Party.AGENT, ana.pk),
        (Leg.Party.AGENT, max_falk.pk),
        (Leg.Party.CUSTOMER, None),
        (Leg.Party.SUPERVISOR, None),
        (Leg.Party.AGENT, ana.pk),
    ]


def test_the_directory_finds_the_lines_of_the_legs(account: Account, kim: User, lena: User) -> None:
    legs = [
        marks_of("a", facts(direction="outgoing", to="sip:kim@sip.telnyx.eu")),
        marks_of("b", facts(direction="outgoing", to="+4915550100777")),
        marks_of("c", facts(direction="outgoing", to="sip:nobody@sip.telnyx.com")),
    ]
    directory = directory_for(account, legs)
    found = [supervisor_line(leg, directory) for leg in legs]
    assert found == [kim.lines.get().pk, lena.lines.get().pk, None]


@pytest.mark.parametrize("count", [1, 30])
def test_the_directory_takes_as_many_queries_for_thirty_legs_as_for_one(
    account: Account, ana: Agent, count: int
) -> None:
    legs = [
        marks_of(f"leg {n}", facts(direction="outgoing", connection_id=f"{n}", to=f"sip:gencred{n}@sip.telnyx.com"))
        for n in range(count)
    ]
    with CaptureQueriesContext(connection) as queries:
        directory_for(account, legs)
    assert len(queries) == 4


def test_hostile_values_are_stored_as_plain_text(account: Account) -> None:
    marks = marks_of("\x00\ud800", facts(to="sip:\x00@sip.telnyx.com", connection_id="\x00", headers=[{"name": 1}]))
    assert directory_for(account, [marks]).by_sip == {}


def test_connections_that_nobody_named_are_noted_once_as_unassigned(account: Account) -> None:
    account.ear_connection_id = EAR
    Connection.objects.create(account=account, connection_id=CALLS, role=Connection.Role.CALLS)
    for _again in range(2):
        directory = directory_for(account, [], connection_ids=[CALLS, STRANGE, EAR])
        note_connections(account, [CALLS, STRANGE, EAR, "", "\x00"], directory)
    roles = dict(Connection.objects.values_list("connection_id", "role"))
    assert roles == {CALLS: Connection.Role.CALLS, STRANGE: Connection.Role.UNASSIGNED}


def test_noting_known_connections_asks_the_database_nothing(account: Account) -> None:
    Connection.objects.create(account=account, connection_id=CALLS)
    directory = directory_for(account, [], connection_ids=[CALLS])
    with CaptureQueriesContext(connection) as queries:
        note_connections(account, [CALLS], directory)
    assert len(queries) == 0


LegIn = Callable[..., Leg]


@pytest.fixture
def leg_in(account: Account, now: datetime) -> LegIn:
    """Put a leg that matched nobody into a conference of its own."""

    def make(name: str, *, hung_up_at: datetime | None = None, **values: object) -> Leg:
        conference = Conference.objects.create(
            account=account, telnyx_id=name, name=name, connection_id=CALLS, started_at=now
        )
        leg = Leg.objects.create(account=account, call_control_id=name, facts=facts(**values), hung_up_at=hung_up_at)
        Participant.objects.create(account=account, conference=conference, leg=leg, present=True)
        return leg

    return make


def test_a_new_agent_is_found_on_live_legs_and_pushed_to_the_screens(
    account: Account, leg_in: LegIn, ana: Agent, now: datetime
) -> None:
    leg = leg_in("Billing-1", direction="outgoing", to="sip:gencredAna@sip.telnyx.com")
    before = changes.current().version
    assert recognise_again(account=account, now=now) == 1
    leg.refresh_from_db()
    assert (leg.party, leg.agent, leg.evidence) == (Leg.Party.AGENT, ana, "SIP credential gencredAna")
    assert before < Conference.objects.get().version <= changes.current().version


def test_only_the_given_legs_are_looked_at(account: Account, leg_in: LegIn, ana: Agent, now: datetime) -> None:
    first = leg_in("Billing-1", direction="outgoing", to="sip:gencredAna@sip.telnyx.com")
    second = leg_in("Billing-2", direction="outgoing", to="sip:gencredAna@sip.telnyx.com")
    assert recognise_again(account=account, leg_ids=[first.pk], now=now) == 1
    second.refresh_from_db()
    assert second.party == Leg.Party.UNKNOWN
    assert [conference.version > 0 for conference in Conference.objects.order_by("name")] == [True, False]


def test_a_leg_that_hung_up_keeps_its_story(account: Account, leg_in: LegIn, ana: Agent, now: datetime) -> None:
    leg_in("Billing-1", direction="outgoing", to="sip:gencredAna@sip.telnyx.com", hung_up_at=now)
    assert recognise_again(account=account, now=now) == 0


def test_a_leg_whose_agent_was_removed_is_unknown_again(
    account: Account, leg_in: LegIn, ana: Agent, now: datetime
) -> None:
    leg = leg_in("Billing-1", direction="outgoing", to="sip:gencredAna@sip.telnyx.com")
    recognise_again(account=account, now=now)
    ana.delete()
    recognise_again(account=account, now=now)
    leg.refresh_from_db()
    assert (leg.party, leg.agent, leg.evidence) == (Leg.Party.UNKNOWN, None, "")


def test_live_conferences_take_their_connections_team(
    account: Account, leg_in: LegIn, billing: Team, now: datetime
) -> None:
    leg_in("Billing-1", direction="incoming")
    Connection.objects.create(account=account, connection_id=CALLS, team=billing)
    recognise_again(account=account, now=now)
    assert Conference.objects.get().team == billing


def test_an_ear_is_known_by_its_leg(account: Account, leg_in: LegIn, kim: User, now: datetime) -> None:
    leg = leg_in("v3:kim", direction="outgoing", to="sip:kim@sip.telnyx.com")
    Ear.objects.create(account=account, user=kim, kind=Line.Kind.SIP, call_control_id="v3:kim", created_at=now)
    recognise_again(account=account, leg_ids=[leg.pk], now=now)
    leg.refresh_from_db()
    assert leg.party == Leg.Party.SUPERVISOR


def test_a_large_floor_is_recognised_in_batches(
    account: Account, leg_in: LegIn, ana: Agent, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conferences.recognition.again.BATCH", 2)
    for number in range(5):
        leg_in(f"Billing-{number}", direction="outgoing", to="sip:gencredAna@sip.telnyx.com")
    assert recognise_again(account=account, now=now) == 5


def test_a_line_that_an_admin_adds_is_found_on_live_legs(
    admin_client: Client,
    account: Account,
    leg_in: LegIn,
    lena: User,
    django_capture_on_commit_callbacks: Any,
) -> None:
    leg = leg_in("v3:lena", direction="outgoing", to="sip:lena@sip.telnyx.com")
    form = {
        "username": "lena",
        "team_memberships-TOTAL_FORMS": 0, "team_memberships-INITIAL_FORMS": 0,
        "lines-TOTAL_FORMS": 1, "lines-INITIAL_FORMS": 0,
        "lines-0-label": "Desk", "lines-0-kind": "sip", "lines-0-address": "sip:lena@SIP.telnyx.com",
    }  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin_client.post(reverse("admin:conferences_supervisor_change", args=[lena.pk]), form)
    assert answer.status_code == 302
    leg.refresh_from_db()
    assert leg.party == Leg.Party.SUPERVISOR

"""Agents are recognised however call flows, phones and client libraries write them: from webhook to floor and admin."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from conferences.intake.store import Received, store
from conferences.models import Account, Agent, Leg, Team
from conferences.projection.listings import note_call
from conferences.telnyx.reads import CallRead

from .signed import event

CALLS = "2781903345512846337"
LEGS = "/admin/conferences/leg/"
ADD_AGENT = "/admin/conferences/agent/add/"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def center(account: Account, ana: Agent) -> Account:
    account.agent_path, account.customer_mark = "agent", "role=customer"
    account.save()
    account.connections.create(connection_id=CALLS, name="Calls", role="calls")
    return account


@pytest.fixture
def as_boss(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def told(center: Account, now: datetime, **payload: Any) -> Leg:
    """Take in a leg's first webhook."""
    said = {"call_control_id": "v3:leg", "connection_id": CALLS, "direction": "outgoing", "to": "+15550100077"}
    store(
        [Received(center.pk, event("call.initiated", event_id=uuid4().hex, at=now.isoformat(), **said | payload), now)]
    )
    return Leg.objects.get(call_control_id="v3:leg")


# --- client_state -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "client_state",
    [
        b64('{"agent": "ana"}'),
        '{"agent":"ana"}',
        '{"agent":"ana"}\n',
        b64('{"agent": "ana"}') + "\n",
        b64('{"agent":"ana"}').rstrip("="),
        b64('{"agent":"ana","?":"???>>>"}').replace("+", "-").replace("/", "_"),
        "\n".join([b64('{"agent":"ana","history":"' + "y" * 90 + '"}')[start : start + 60] for start in (0, 60, 120)]),
        b64(json.dumps({"agent": "ana", "history": "y" * 4500})),
        b64(json.dumps({"agent": "ana", "history": "y" * 12000})),
        json.dumps({"agent": "ana", "history": "y" * 16000}),
    ],
    ids=range(10),
)
def test_an_agent_is_known_in_every_form_of_client_state(center: Account, now: datetime, client_state: str) -> None:
    assert told(center, now, client_state=client_state).evidence == "client_state agent"


@pytest.mark.parametrize("client_state", ["YW5h", "YW5h\n", b64('"ana"'), "ana", '"ana"', b64("ana ")])
def test_a_dot_says_that_the_whole_client_state_is_the_reference(
    center: Account, now: datetime, client_state: str
) -> None:
    Account.objects.update(agent_path=".")
    assert told(center, now, client_state=client_state).evidence == "client_state ."


def test_a_customers_mark_is_read_in_every_form_too(center: Account, now: datetime) -> None:
    assert told(center, now, client_state='{"role":"customer"}\n').party == Leg.Party.CUSTOMER


def test_a_reading_brings_as_long_a_client_state_as_a_webhook(center: Account, now: datetime) -> None:
    told(center, now)
    state = b64(json.dumps({"agent": "ana", "history": "y" * 10000}))
    note_call(account=center, read=CallRead("v3:leg", is_alive=True, client_state=state), at=now)
    assert Leg.objects.get().party == Leg.Party.AGENT


@pytest.mark.parametrize(
    ("client_state", "words"),
    [
        ("not base64!", "its client_state cannot be read"),
        (b64("[1]"), "its client_state cannot be read"),
        (b64('{"agent":"' + "y" * 20000), "its client_state is longer than 16 KiB"),
        (b64('{"agnet": "ana"}'), "its client_state has nothing at agent"),
        (b64('{"agent": "nobody"}'), ""),
        ("", ""),
    ],
)
def test_what_could_not_be_read_stands_in_the_list_of_unrecognised_callers(
    center: Account, as_boss: Client, now: datetime, client_state: str, words: str
) -> None:
    told(center, now, client_state=client_state)
    page = unescape(as_boss.get(LEGS).content.decode())
    assert words in page
    assert ("its client_state" in page) is bool(words)


# --- SIP names and numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "to",
    [
        "sip:gencredAna@sip.telnyx.com",
        "SIP:GENCREDANA@SIP.TELNYX.COM",
        '"Ana Ruiz" <sip:gencredana@sip.telnyx.com:5061;transport=tls>;x=y',
        "<sips:gencredAna@sip.telnyx.eu>",
        "gencredana@sip.telnyx.com;secure=srtp",
        "+15550100001",
        "+1 (555) 010-0001",
        "+1.555.010.0001,,1234#",
        "tel:+1-555-010-0001;phone-context=example.com",
        "TEL:+15550100001",
        "0015550100001",
        "15550100001",
        "sip:%2B15550100001@sip.telnyx.com;user=phone",
        "sip:15550100001@sip.telnyx.com",
        "\uff0b\uff11\uff15\uff15\uff15\uff10\uff11\uff10\uff10\uff10\uff10\uff11",
    ],
)
def test_an_agent_is_dialled_however_the_address_is_written(center: Account, now: datetime, to: str) -> None:
    Agent.objects.update(number="+15550100001")
    assert told(center, now, to=to).party == Leg.Party.AGENT


@pytest.mark.parametrize(
    "to",
    [
        "+15550100002",
        "5550100001",  # without its country code it may be somebody else's
        '"gencredAna" <sip:max@sip.telnyx.com>',
        '"<sip:gencredAna@sip.telnyx.com>" <sip:max@sip.telnyx.com>',
        "sip:gencredAna@pbx.example.com",
        "sip:+15550100001@pbx.example.com",
        "gencredAna",
    ],
)
def test_nobody_is_an_agent_by_what_only_looks_like_their_address(center: Account, now: datetime, to: str) -> None:
    Agent.objects.update(number="+15550100001")
    assert told(center, now, to=to).party == Leg.Party.UNKNOWN


@pytest.mark.parametrize(("to", "party"), [("4585550142", Leg.Party.UNKNOWN), ("+4585550142", Leg.Party.AGENT)])
def test_a_national_number_is_nobody_elses_with_a_country_code(
    center: Account, now: datetime, to: str, party: Leg.Party
) -> None:
    Agent.objects.update(number="+4585550142")
    assert told(center, now, to=to).party == party


def test_a_sip_name_in_another_case_is_nobodys_where_two_fit(center: Account, now: datetime, billing: Team) -> None:
    Agent.objects.create(name="Another Ana", team=billing, sip_username="GENCREDANA")
    assert told(center, now, to="sip:gencredana@sip.telnyx.com").party == Leg.Party.UNKNOWN
    Leg.objects.all().delete()
    assert told(center, now, to="sip:gencredAna@sip.telnyx.com").agent == Agent.objects.get(name="Ana Ruiz")


# --- the form of agents -----------------------------------------------------------------------------------------------


def agent_form(**marks: str) -> dict[str, str]:
    empty = {"sip_username": "", "number": "", "reference": ""}
    return {"name": "Jo Lim", "team": str(Team.objects.get().pk), **empty, **marks}


@pytest.mark.parametrize(
    ("typed", "saved"),
    [
        ({"sip_username": "sip:gencredJo@sip.telnyx.com"}, {"sip_username": "gencredJo"}),
        ({"sip_username": "gencredJo@sip.telnyx.com"}, {"sip_username": "gencredJo"}),
        ({"sip_username": '"Jo" <sip:jo@PBX.example.com:5061>'}, {"sip_username": "jo@pbx.example.com"}),
        ({"sip_username": "gencredJo"}, {"sip_username": "gencredJo"}),
        ({"sip_username": "1001"}, {"sip_username": "1001"}),
        ({"number": "+1 (555) 010-0001"}, {"number": "+15550100001"}),
        ({"number": "tel:+1-555-010-0001"}, {"number": "+15550100001"}),
        ({"number": "0015550100001"}, {"number": "+15550100001"}),
    ],
)
@pytest.mark.usefixtures("billing")
def test_an_agents_marks_are_saved_as_they_are_matched(
    as_boss: Client, typed: dict[str, str], saved: dict[str, str]
) -> None:
    assert as_boss.post(ADD_AGENT, agent_form(**typed)).status_code == 302
    assert Agent.objects.values(*saved).get() == saved


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({}, "Give a SIP credential, a number or a reference"),
        ({"sip_username": "jo lim"}, "This is not a SIP name"),
        ({"sip_username": "+15550100001"}, "This is not a SIP name"),
        ({"sip_username": "GENCREDANA"}, "Ana Ruiz has this SIP credential"),
        ({"number": "555 010-0001"}, "Write the number with its country code"),
    ],
)
@pytest.mark.usefixtures("ana")
def test_marks_that_would_match_nothing_are_refused(as_boss: Client, typed: dict[str, str], words: str) -> None:
    answer = as_boss.post(ADD_AGENT, agent_form(**typed))
    assert (answer.status_code, words in unescape(answer.content.decode())) == (200, True)
    assert Agent.objects.count() == 1


def test_the_form_says_which_of_todays_legs_match(
    center: Account,
    as_boss: Client,
    ana: Agent,
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]],
) -> None:
    page = f"/admin/conferences/agent/{ana.pk}/change/"
    assert "None of today's call legs matches." in unescape(as_boss.get(page).content.decode())
    at = timezone.now()
    told(center, at, to="sip:gencredJo@sip.telnyx.com")
    store([Received(center.pk, event("call.hangup", event_id="2", at=at.isoformat(), call_control_id="v3:leg"), at)])
    with django_capture_on_commit_callbacks(execute=True):
        answer = as_boss.post(page, agent_form(sip_username="gencredJo"), follow=True)
    said = (
        f"1 of today's call legs matches, the newest at {timezone.localtime(at):%H:%M} (SIP credential gencredJo: 1)."
    )
    assert said in unescape(answer.content.decode())
    assert said in unescape(as_boss.get(page).content.decode())

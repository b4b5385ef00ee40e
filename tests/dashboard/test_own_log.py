"""Checks what an agent sees of those who listened to their calls, and that nobody else's screens are theirs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from conferences.models import (
    Account,
    Agent,
    AuditEntry,
    Conference,
    Leg,
    Participant,
    SupervisorSession,
    TeamMembership,
    UnsteeredLine,
    WebhookEvent,
)

from .conftest import Call, NewCall
from .test_snapshot import poll

SignIn = Callable[[User], Client]
Listens = Callable[..., SupervisorSession]
Step = tuple[int, str, dict[str, Any]]


@pytest.fixture
def now() -> datetime:
    """The page reads the real clock."""
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def ana_user(ana: Agent, settings: Settings) -> User:
    """Ana, who signs in; agents see at once who listens."""
    settings.AGENTS_SEE_LISTENING = "now"
    user = User.objects.create_user("ana", password="ana-password", first_name="Ana", last_name="Ruiz")
    Agent.objects.filter(pk=ana.pk).update(user=user)
    return user


@pytest.fixture
def anas(ana_user: User, page_of: SignIn) -> Client:
    return page_of(ana_user)


@pytest.fixture
def listens(kim_listens: Listens, now: datetime) -> Listens:
    """Return a function that lets Kim listen to a call, ten minutes ago, and whisper to some after a minute."""

    def listen(
        call: Call,
        *,
        to: tuple[Leg, ...] = (),
        role: str = "whisper",
        ends: bool = True,
        begin: datetime = now - timedelta(minutes=10),
    ) -> SupervisorSession:
        session = kim_listens(call, role=role, targets=to)
        louder = {"role": role, "targets": [str(leg.pk) for leg in to], "command_id": uuid4()}
        join = {"role": "monitor", "command_id": uuid4()}
        steps: list[Step] = [(0, "entering", {}), (1, "join accepted", join), (2, "join verified", join)]
        if to or role != "whisper":
            steps += [(62, "update accepted", louder), (63, "update verified", louder)]
        steps += [(196, "ended", {})] if ends else []
        for second, action, more in steps:
            at = begin + timedelta(seconds=second)
            AuditEntry.objects.create(
                actor=session.user,
                action=action,
                at=at,
                session_id=session.pk,
                conference_id=call.conference.pk,
                conference_name=str(call.conference),
                **more,
            )
        SupervisorSession.objects.filter(pk=session.pk).update(
            started_at=begin, ended_at=begin + timedelta(seconds=196) if ends else None
        )
        return session

    return listen


def read(client: Client, query: str = "") -> str:
    answer = client.get(f"/my-calls/{query}")
    assert answer.status_code == 200, query
    return unescape(answer.content.decode())


def lines(html: str) -> list[str]:
    """Return what each line says, without the time of day."""
    found = re.findall(r'<li class="own-line.*?</li>', html, re.DOTALL)
    texts = [re.sub(r"<[^>]+>|[0-9:]{8}( – ([0-9:]{8}|now))?", " ", line, flags=re.DOTALL) for line in found]
    return [re.sub(r"\s+", " ", text).strip() for text in texts]


# --- What is told -----------------------------------------------------------------------------------------------------


def test_an_agent_reads_who_listened_and_whispered_to_them(anas: Client, new_call: NewCall, listens: Listens) -> None:
    call = new_call("Billing-42")
    listens(call, to=(call.agents[0],))
    assert lines(read(anas)) == [
        "Kim W. whispered to you 2:14 min verified",
        "Kim W. listened to your call 1:01 min verified",
    ]


def test_a_whisper_to_somebody_else_is_a_listening_without_their_name(
    anas: Client, ana: Agent, max_falk: Agent, new_call: NewCall, listens: Listens
) -> None:
    call = new_call("Max-Falk-and-+4915550100142", agents=(ana, max_falk))
    listens(call, to=(call.agents[1],))
    page = read(anas)
    assert lines(page) == ["Kim W. listened to your call 3:15 min verified"]
    for hidden in ("Max", "5550100", "142", "+49"):
        assert hidden not in page


@pytest.mark.parametrize(
    ("role", "told"),
    [("barge", "Kim W. spoke to everyone in your call"), ("none", "Kim W. stayed in your call, heard by everyone")],
)
def test_whoever_spoke_to_everyone_is_told(
    anas: Client, new_call: NewCall, listens: Listens, role: str, told: str
) -> None:
    listens(new_call(), role=role)
    assert lines(read(anas))[0] == f"{told} 2:14 min verified"


def test_what_lies_outside_their_own_time_in_the_call_is_not_told(
    anas: Client, new_call: NewCall, listens: Listens, now: datetime
) -> None:
    call = new_call()
    listens(call, to=(call.agents[0],))
    came, left = now - timedelta(minutes=10) + timedelta(seconds=30), now - timedelta(minutes=10, seconds=-72)
    Participant.objects.filter(leg=call.agents[0]).update(joined_at=came, left_at=left, present=False)
    assert lines(read(anas)) == [
        "Kim W. whispered to you 10 s verified",
        "Kim W. listened to your call 32 s verified",
    ]
    Participant.objects.filter(leg=call.agents[0]).update(left_at=now - timedelta(minutes=11))
    assert lines(read(anas)) == []


def test_whoever_went_and_came_back_reads_nothing_of_the_time_between(
    anas: Client, account: Account, new_call: NewCall, listens: Listens, now: datetime
) -> None:
    call, begin = new_call(), now - timedelta(minutes=10)
    listens(call)
    for number, (second, word) in enumerate([(-60, "joined"), (20, "left"), (100, "joined")]):
        WebhookEvent.objects.create(
            account=account,
            event_id=f"move-{number}",
            event_type=f"conference.participant.{word}",
            occurred_at=begin + timedelta(seconds=second),
            received_at=now,
            conference_telnyx_id=call.conference.telnyx_id,
            call_control_id=call.agents[0].call_control_id,
            state=WebhookEvent.State.PROJECTED,
            body=b"{}",
        )
    Participant.objects.filter(leg=call.agents[0]).update(joined_at=begin + timedelta(seconds=100))
    assert lines(read(anas)) == [
        "Kim W. listened to your call 1:36 min verified",
        "Kim W. listened to your call 19 s verified",
    ]


def test_calls_of_others_are_not_told(anas: Client, max_falk: Agent, new_call: NewCall, listens: Listens) -> None:
    call = new_call("Billing-42", agents=(max_falk,))
    listens(call, to=(call.agents[0],), ends=False)
    page = read(anas)
    assert lines(page) == []
    assert "Kim" not in page
    assert "Nobody listened in these days." in page
    assert "You are in no call that Floorline knows of." in page


def test_a_phone_that_the_phone_system_brought_in_is_told(
    anas: Client, account: Account, kim: User, new_call: NewCall, now: datetime
) -> None:
    call = new_call()
    leg = Leg.objects.create(account=account, call_control_id="v3:brought", party=Leg.Party.SUPERVISOR)
    begun = now - timedelta(minutes=5)
    UnsteeredLine.objects.create(
        user=kim, conference=call.conference, leg=leg, reason="no right", role="barge", started_at=begun
    )
    told = lines(read(anas))
    assert told[0].startswith("Kim W. can speak to everyone in your call since")
    assert told[1].startswith("Kim W. spoke to everyone in your call still listening not verified")


def test_days_are_told_apart_and_a_week_at_a_time(
    anas: Client, new_call: NewCall, listens: Listens, now: datetime
) -> None:
    call = new_call(age=timedelta(days=9))
    listens(call, begin=now - timedelta(days=8))
    assert lines(read(anas)) == []
    earlier = (now - timedelta(days=7)).date()
    assert f'href="?last_day={earlier}"' in read(anas)
    page = read(anas, f"?last_day={earlier}")
    assert lines(page) == ["Kim W. listened to your call 3:15 min verified"]
    assert f"{now - timedelta(days=8):%A}" in page
    assert ">Later<" in page


@pytest.mark.parametrize("day", ["1900-01-01", "2999-12-31"])
def test_a_day_out_of_reach_is_a_day_without_lines_or_today(anas: Client, day: str) -> None:
    assert "Nobody listened in these days." in read(anas, f"?last_day={day}")


@pytest.mark.parametrize("day", ["yesterday", "0001-01-01", "9999-12-31"])
def test_a_day_that_is_none_is_refused(anas: Client, day: str) -> None:
    assert anas.get(f"/my-calls/?last_day={day}").status_code == 400


def test_many_listenings_ask_the_database_no_more_often_than_few(
    anas: Client, new_call: NewCall, listens: Listens
) -> None:
    call, asked = new_call(), []
    session = listens(call, to=(call.agents[0],))
    read(anas)  # fills the caches of this person
    for number in (2, 8):
        with CaptureQueriesContext(connection) as queries:
            assert len(lines(read(anas))) == number
        asked.append(len(queries))
        for _copy in range(3):
            copy_of(session)
    assert asked[0] == asked[1]


def copy_of(session: SupervisorSession) -> None:
    copied = SupervisorSession.objects.get(pk=session.pk)
    copied.pk = uuid4()
    copied.save(force_insert=True)
    for entry in AuditEntry.objects.filter(session_id=session.pk):
        entry.pk, entry.session_id = None, copied.pk
        entry.save(force_insert=True)


# --- Now, afterwards, not ---------------------------------------------------------------------------------------------


def test_whoever_is_in_the_call_now_is_told_at_once(
    anas: Client, account: Account, new_call: NewCall, listens: Listens, now: datetime
) -> None:
    Account.objects.update(checked_at=timezone.now())
    call = new_call()
    assert "Nobody from Floorline is in your call." in read(anas)
    listens(call, to=(call.agents[0],), ends=False)
    first, second, _third = lines(read(anas))
    assert re.fullmatch(r"Kim W\. can whisper to you since · [0-9:]+ verified", first)
    assert second == "Kim W. whispered to you still listening verified"


def test_whoever_is_on_the_way_in_is_told(anas: Client, new_call: NewCall, kim_listens: Listens) -> None:
    session = kim_listens(new_call())
    SupervisorSession.objects.filter(pk=session.pk).update(stage=SupervisorSession.Stage.JOINING)
    assert lines(read(anas))[0].startswith("Kim W. is joining your call")


def test_what_may_be_out_of_date_is_told_as_such(anas: Client, account: Account, new_call: NewCall) -> None:
    new_call()
    page = read(anas)
    assert "Floorline has no certain news from Telnyx at the moment." in page
    assert "Floorline knows of nobody in your call." in page
    assert "Nobody from Floorline is in your call." not in page


def test_afterwards_tells_a_listening_only_once_all_of_it_has_ended(
    anas: Client, new_call: NewCall, listens: Listens, settings: Settings, now: datetime
) -> None:
    settings.AGENTS_SEE_LISTENING = "afterwards"
    call = new_call()
    session = listens(call, to=(call.agents[0],), ends=False)
    Participant.objects.filter(leg=call.agents[0]).update(left_at=now - timedelta(minutes=8), present=False)
    page = read(anas)
    assert "Kim" not in page
    assert "In your call now" not in page
    AuditEntry.objects.create(
        actor=session.user, action="ended", at=now, session_id=session.pk, conference_id=call.conference.pk
    )
    SupervisorSession.objects.filter(pk=session.pk).update(ended_at=now)
    assert lines(read(anas))[0] == "Kim W. whispered to you 58 s verified"


def test_not_tells_nothing(anas: Client, new_call: NewCall, listens: Listens, settings: Settings) -> None:
    settings.AGENTS_SEE_LISTENING = "not"
    call = new_call()
    listens(call, to=(call.agents[0],), ends=False)
    page = read(anas)
    assert "This is not shown here." in page
    assert "Kim" not in page


# --- Who may ----------------------------------------------------------------------------------------------------------


def test_an_agent_lands_on_their_own_page(ana_user: User, client: Client) -> None:
    answer = client.post("/accounts/login/", {"username": "ana", "password": "ana-password"}, follow=True)
    assert answer.redirect_chain == [("/", 302), ("/my-calls/", 302)]
    page = answer.content.decode()
    assert "Who listened to my calls" in page
    for supervisors in ('href="/"', 'id="my-ear"', 'href="/ear/"', 'href="/audit/"', 'id="act"', "data-stream"):
        assert supervisors not in page.replace('<div class="brand"><a href="/">', "")


@pytest.mark.parametrize(
    "path",
    ["/ear/", "/ear/small/", "/audit/", "/setup/", "/admin/", f"/conferences/{UUID(int=4)}/", "/search/", "/monitor/"],
)
def test_an_agent_finds_no_screen_of_supervisors(anas: Client, path: str) -> None:
    assert anas.get(path).status_code == 404
    assert anas.post(path).status_code == 404


def test_an_agent_changes_their_password_and_the_theme(anas: Client) -> None:
    page = anas.get("/accounts/password/")
    assert page.status_code == 200
    assert 'id="my-ear"' not in page.content.decode()
    assert anas.post("/theme/", {"theme": "dark"}).status_code == 302


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("query", ["", "alone=1"])
def test_an_agent_gets_no_stream_of_the_floor(anas: Client, query: str) -> None:
    assert poll(anas, query).status == 404


def test_nobody_else_finds_the_page(kim: User, lena: User, omar: User, client: Client, page_of: SignIn) -> None:
    for person in (kim, lena, omar):
        assert page_of(person).get("/my-calls/").status_code == 404
    assert client.get("/my-calls/").headers["Location"] == "/accounts/login/?next=/my-calls/"


def test_an_agent_who_supervises_keeps_the_screens_of_supervisors(ana_user: User, ana: Agent, page_of: SignIn) -> None:
    TeamMembership.objects.create(user=ana_user, team=ana.team)
    client = page_of(ana_user)
    page = client.get("/").content.decode()
    assert 'id="my-ear"' in page
    assert 'href="/my-calls/"' in page
    assert 'id="my-ear"' in read(client)


def test_a_page_that_stands_open_goes_when_the_person_is_no_agent_any_more(anas: Client) -> None:
    Agent.objects.update(user=None)
    answer = anas.get("/my-calls/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (404, "/")


def test_whoever_is_deactivated_is_sent_to_sign_in(anas: Client, ana_user: User) -> None:
    User.objects.filter(pk=ana_user.pk).update(is_active=False)
    assert anas.get("/my-calls/", headers={"HX-Request": "true"}).status_code == 401


def test_no_call_is_lost_with_its_conference(anas: Client, new_call: NewCall, listens: Listens) -> None:
    listens(new_call())
    Conference.objects.all().delete()
    assert lines(read(anas)) == []

"""Checks the small window as a page of its own, and the sentence that every page's top bar carries for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conferences import supervision
from conferences.models import SupervisorSession
from conferences.models.supervision import Role
from dashboard.desk.audience import sentence_from_outside
from dashboard.desk.claim import Claim, Heard, State, Step
from dashboard.desk.command_status import headline
from dashboard.desk.ear import MyEar, Place

from .conftest import NewCall

SignIn = Callable[[User], Client]
Listens = Callable[..., SupervisorSession]
SMALL = "/ear/small/"


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record what the views ask the service for; the service itself has tests of its own."""
    asked: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda **given: asked.append(name)

    for name in ("leave", "quieter"):
        monkeypatch.setattr(supervision, name, note(name))
    return asked


def said_on(html: str) -> list[str]:
    return [unescape(said) for said in re.findall(r'<span class="ear-hears">([^<]*)</span>', html)]


@pytest.mark.parametrize("path", [SMALL, "/", "/ear/", "/setup/", "/conferences/{id}/"])
def test_every_top_bar_says_in_words_who_hears_me(
    kim: User, new_call: NewCall, kim_listens: Listens, page_of: SignIn, path: str
) -> None:
    call = new_call(name="Billing-1")
    kim_listens(call, role=Role.WHISPER, targets=(call.agents[0],))
    kim.is_superuser = kim.is_staff = True
    kim.save()
    page = page_of(kim).get(path.format(id=call.conference.id)).content.decode()
    assert said_on(page) == ["You are in Billing-1: only Ana Ruiz hears you there."]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("heard", [Heard.CHOSEN, Heard.EVERYONE, Heard.MAYBE])
@pytest.mark.parametrize("step", Step)
def test_no_sentence_claims_silence_where_somebody_may_hear_me(step: Step, heard: Heard, state: State) -> None:
    claim = Claim(heard=heard, state=state, step=step, role=Role.BARGE, may_hear=frozenset({"ana"}))
    ear = MyEar(place=Place.IN_CONFERENCE, claim=claim, conference_name="Billing-1", hearing=("Ana Ruiz",))
    said = sentence_from_outside(ear)
    assert not re.search("silent|nobody|Monitor", said), said
    assert heard is Heard.EVERYONE or "Ana Ruiz" in said


def test_whoever_joins_is_warned_of_who_may_hear_and_silent_only_where_nobody_does() -> None:
    for heard, names, said in (
        (Heard.NOBODY, (), "You are joining Billing-1 silently."),
        (Heard.MAYBE, ("Ana Ruiz",), "You are joining Billing-1: careful, Ana Ruiz may hear you there."),
        (Heard.MAYBE, (), "You are joining Billing-1: careful, somebody may hear you there."),
    ):
        claim = Claim(heard=heard, state=State.ACCEPTED, step=Step.JOINING)
        ear = MyEar(place=Place.IN_CONFERENCE, claim=claim, conference_name="Billing-1", hearing=names)
        assert sentence_from_outside(ear) == said


def test_a_role_that_a_reading_does_not_show_is_named_so() -> None:
    claim = Claim(heard=Heard.MAYBE, state=State.CONTRADICTED, step=Step.INSIDE, role=Role.BARGE)
    assert headline(claim) == "Telnyx does not show Barge"


@pytest.mark.parametrize(("state", "said"), [("unconfirmed", "Not confirmed: "), ("unknown", "Not confirmed yet: ")])
def test_a_doubt_stands_before_the_names_where_no_bar_cuts_it(state: str, said: str) -> None:
    claim = Claim(heard=Heard.MAYBE, state=State(state), step=Step.INSIDE, role=Role.WHISPER)
    assert headline(claim, targets=("Ana Ruiz", "Jo Lim")) == f"{said}Whisper → Ana Ruiz and Jo Lim"


def test_a_press_is_answered_with_the_sentence_too(
    kim: User, new_call: NewCall, kim_listens: Listens, page_of: SignIn, stops: list[str]
) -> None:
    kim_listens(new_call(name="Billing-1"))
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{SMALL}"}
    answer = page_of(kim).post("/quieter/", headers=headers)
    assert said_on(answer.content.decode()) == ["You are in Billing-1: nobody hears you there."]


def test_the_small_page_has_what_stops_and_one_comes_back_to_it_without_a_script(
    kim: User, new_call: NewCall, kim_listens: Listens, page_of: SignIn, stops: list[str]
) -> None:
    kim_listens(new_call())
    client = page_of(kim)
    page = client.get(SMALL).content.decode()
    assert re.findall(r'formaction="(/(?:leave|quieter)/)"', page) == ["/quieter/", "/leave/"]
    assert 'data-stream="/stream/?alone=1"' in page
    for path in ("/leave/", "/quieter/"):
        answer = client.post(path, headers={"Referer": f"http://testserver{SMALL}"})
        assert answer.headers["Location"] == SMALL
    assert stops == ["leave", "quieter"]


def test_who_is_signed_out_sees_no_small_window() -> None:
    assert Client().get(SMALL).headers["Location"] == f"/accounts/login/?next={SMALL}"

"""One claim of who hears the supervisor: five places show it, and silence is claimed only once it was read."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from conferences.models import Command, Ear, Leg, Participant, SupervisorSession
from conferences.models.account import WhisperReach
from conferences.models.supervision import Role
from dashboard.desk.ear import my_ear
from dashboard.floor.board import board
from dashboard.floor.window import Window
from dashboard.push.personal import PersonalParts
from dashboard.rendering import row_cache
from dashboard.rendering.fragments import Page
from tests.claims import PLACES, Reader, claim_told, claims_shown, read_claims, render_claims

from .conftest import Call, NewCall

SignIn = Callable[[User], Client]
Listens = Callable[..., SupervisorSession]

HTMX = {"HX-Request": "true"}
SECOND = timedelta(seconds=1)
ROLES = ("monitor", "whisper", "barge", "none")
STATES = ("asked", "accepted", "verified", "unconfirmed", "unknown", "contradicted", "rejected", "expired")
LOUD = {"whisper", "barge", "none"}
SILENCE = ("Nobody hears you", "nobody hears you", "Only ", "only Ana hears you", "does not hear you", "✓")


def sent(session: SupervisorSession, kind: str, role: str, state: str, at: datetime, call: Call) -> Command:
    """Store a command as it stands once it was answered, and what the session says after it; `expired`: never sent."""
    answered = state not in {"asked", "expired"}
    command = Command.objects.create(
        account=session.ear.account, actor=session.user, ear=session.ear, session=session, kind=kind, role=role,
        state=state, conference=session.conference, asked_at=at, sent_at=None if state == "expired" else at,
        answered_at=at if answered else None, http_status=200 if answered else None,
        generation=Command.objects.count() + 1, targets=targets(role, call),
        settled_at=at + SECOND if state in {"verified", "contradicted", "unconfirmed"} else None,
    )  # fmt: skip
    if kind != "leave" and state in {"accepted", "verified", "unconfirmed", "contradicted"}:
        shown_at = at + SECOND if state == "verified" else None
        asked = {"wanted_role": role, "wanted_targets": targets(role, call)}
        now = {"role": role, "targets": targets(role, call), "verified_at": shown_at}
        SupervisorSession.objects.filter(pk=session.pk).update(**asked, **now)
    return command


def targets(role: str, call: Call) -> list[str]:
    return [str(call.agents[0].pk)] if role == "whisper" else []


def came_in(kim_listens: Listens, call: Call, now: datetime, *, before: str = "monitor") -> SupervisorSession:
    """Put Kim into a call as she comes in, verified, and then in a role that was verified as well."""
    session = kim_listens(call)
    sent(session, "join", "monitor", "verified", now, call)
    if before != "monitor":
        sent(session, "update", before, "verified", now + 10 * SECOND, call)
    return session


def hearing(role: str) -> str:
    return {"monitor": "nobody", "whisper": "chosen"}.get(role, "everyone")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("before", ROLES)
def test_five_places_say_the_same_and_none_claims_what_was_not_read(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, before: str, role: str, state: str
) -> None:
    call = new_call()
    session = came_in(kim_listens, call, now, before=before)
    sent(session, "update", role, state, now + 20 * SECOND, call)
    html = render_claims(kim, call.conference, now + 30 * SECOND)
    reader = read_claims(html)
    assert sorted(shown.place for shown in reader.shown()) == sorted(PLACES)
    heard, told = claim_told(kim, call.conference, now + 30 * SECOND)
    if state in {"rejected", "expired", "verified"}:
        assert (heard, told) == (hearing(role if state == "verified" else before), "verified")
    else:
        assert told == state
        loud = {before, role} & LOUD or state == "contradicted"
        assert heard == ("maybe" if loud else "nobody")
        assert [(shown.place, shown.text) for shown in reader.shown() for words in SILENCE if words in shown.text] == []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("before", ROLES)
def test_a_reading_that_confirms_the_role_later_ends_the_doubt(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, before: str, role: str
) -> None:
    call = new_call()
    session = came_in(kim_listens, call, now, before=before)
    sent(session, "update", role, "unconfirmed", now + 20 * SECOND, call)
    SupervisorSession.objects.update(verified_at=now + 25 * SECOND)
    assert claim_told(kim, call.conference, now + 26 * SECOND) == (hearing(role), "verified")
    assert my_ear(kim, now=now).claim.at == now + 25 * SECOND


@pytest.mark.parametrize(
    ("state", "told", "sentence"),
    [
        (None, "asked", "Joining. Your phone is not in the call yet."),
        ("asked", "asked", "Joining on Monitor…"),
        ("accepted", "accepted", "Joining on Monitor…"),
        ("unknown", "unknown", "Joining on Monitor…"),
        ("unconfirmed", "unconfirmed", "You are on Monitor. Telnyx can't confirm it."),
        ("verified", "verified", "Nobody hears you. You hear everyone."),
    ],
)
def test_a_line_that_was_never_sent_anything_louder_is_heard_by_nobody(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, state: str | None, told: str, sentence: str
) -> None:
    call = new_call()
    session = kim_listens(call)
    stage = "connecting" if state is None else "joining" if state in {"asked", "unknown"} else "inside"
    SupervisorSession.objects.update(stage=stage, verified_at=None, inside_at=None)
    if state is not None:
        sent(session, "join", "monitor", state, now, call)
    assert claim_told(kim, call.conference, now + SECOND) == ("nobody", told)
    assert sentence_of(render_claims(kim, call.conference, now + SECOND)) == sentence


def sentence_of(html: str) -> str:
    [sentence] = [shown.text for shown in read_claims(html).shown() if shown.place == "sentence"]
    return sentence


@pytest.mark.parametrize("state", ["asked", "accepted", "unknown", "contradicted", "rejected"])
@pytest.mark.parametrize("before", ROLES)
def test_whoever_heard_before_may_hear_until_a_leave_is_confirmed(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, before: str, state: str
) -> None:
    call = new_call()
    session = came_in(kim_listens, call, now, before=before)
    SupervisorSession.objects.update(stage="leaving")
    sent(session, "leave", "", state, now + 20 * SECOND, call)
    heard, told = claim_told(kim, call.conference, now + 30 * SECOND)
    assert (heard, told) == ("maybe" if before in LOUD else "nobody", "unknown" if state == "rejected" else state)
    assert sentence_of(render_claims(kim, call.conference, now + 30 * SECOND)).startswith("Leaving")


def test_after_a_confirmed_leave_the_line_is_silent_again_on_its_way_back(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    session = came_in(kim_listens, call, now, before="barge")
    sent(session, "update", "monitor", "contradicted", now + 20 * SECOND, call)
    sent(session, "leave", "", "accepted", now + 21 * SECOND, call)
    assert claim_told(kim, call.conference, now + 22 * SECOND) == ("maybe", "contradicted")
    Command.objects.filter(kind="leave").update(state="verified")
    sent(session, "join", "monitor", "unconfirmed", now + 23 * SECOND, call)
    assert claim_told(kim, call.conference, now + 24 * SECOND) == ("nobody", "unconfirmed")


def test_a_barge_that_a_reading_finds_after_the_monitor_was_confirmed_may_be_heard_until_the_next_reading(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    session = came_in(kim_listens, call, now)
    late = sent(session, "update", "barge", "accepted", now + 5 * SECOND, call)
    sent(session, "update", "monitor", "verified", now + 6 * SECOND, call)
    Command.objects.filter(pk=late.pk).update(state="verified", settled_at=now + 16 * SECOND)
    assert claim_told(kim, call.conference, now + 17 * SECOND) == ("maybe", "unknown")
    sent(session, "update", "monitor", "accepted", now + 18 * SECOND, call)
    assert claim_told(kim, call.conference, now + 19 * SECOND) == ("maybe", "accepted")
    Command.objects.filter(state="accepted").update(state="verified", settled_at=now + 20 * SECOND)
    assert claim_told(kim, call.conference, now + 21 * SECOND) == ("nobody", "verified")


def test_a_reading_without_a_whisper_ends_it_where_monitor_cannot_be_confirmed(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    session = came_in(kim_listens, call, now, before="whisper")
    sent(session, "update", "monitor", "unconfirmed", now + 20 * SECOND, call)
    mine = Participant.objects.filter(leg__call_control_id="v3:kim")
    mine.update(read_at=now + 19 * SECOND, whisper_call_control_ids=[])
    assert claim_told(kim, call.conference, now + 30 * SECOND) == ("maybe", "unconfirmed")
    mine.update(read_at=now + 22 * SECOND)
    assert claim_told(kim, call.conference, now + 30 * SECOND) == ("nobody", "unconfirmed")


def test_whoever_joins_a_whisper_may_hear_it_until_it_is_asserted_again(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    came_in(kim_listens, call, now, before="whisper")
    stranger = Leg.objects.create(account=call.conference.account, call_control_id="who", from_address="+12025550990")
    Participant.objects.create(account=stranger.account, conference=call.conference, leg=stranger, present=True)
    assert claim_told(kim, call.conference, now + 30 * SECOND) == ("maybe", "unknown")
    said = sentence_of(render_claims(kim, call.conference, now + 30 * SECOND))
    assert said == "Careful: Ana Ruiz and an unknown caller may hear you."
    stranger.account.whisper_reaches = WhisperReach.LISTED_ONLY
    stranger.account.save()
    assert claim_told(kim, call.conference, now + 30 * SECOND) == ("chosen", "verified")


def test_a_target_that_has_left_cannot_hear_me(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    came_in(kim_listens, call, now, before="whisper")
    Participant.objects.filter(leg=call.agents[0]).update(present=False)
    html = render_claims(kim, call.conference, now + 30 * SECOND)
    assert sentence_of(html) == "Nobody you chose is on the call now."
    assert "Ana Ruiz cannot hear you now: not in the call." in html


@pytest.mark.parametrize(
    ("role", "state", "heard", "sentence"),
    [
        ("monitor", "verified", "nobody", "You are in Billing-4312: nobody hears you there."),
        ("monitor", "accepted", "nobody", "You are in Billing-4312 on Monitor. Telnyx has not confirmed it."),
        ("whisper", "verified", "chosen", "You are in Billing-4312: only Ana Ruiz hears you there."),
        ("whisper", "accepted", "maybe", "You are in Billing-4312: careful, Ana Ruiz may hear you there."),
        ("barge", "verified", "everyone", "You are in Billing-4312: everyone hears you there."),
    ],
)
def test_the_desk_of_another_call_says_where_i_am_and_who_hears_me_there(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, role: str, state: str, heard: str, sentence: str
) -> None:
    call, other = new_call("Billing-4312"), new_call("Billing-5000", agents=())
    sent(came_in(kim_listens, call, now), "update", role, state, now + 20 * SECOND, call)
    html = render_claims(kim, other.conference, now + 30 * SECOND)
    assert claim_told(kim, other.conference, now + 30 * SECOND) == (heard, state)
    assert sentence_of(html) == f"{sentence} Show Billing-4312"
    assert "Nobody hears you" not in html
    assert "button" not in {shown.place for shown in read_claims(html).shown()}


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (Ear.State.CONNECTED, "Your phone is connected and in no call. Nobody hears you."),
        (Ear.State.DIALLING, "You are not in this call. Nobody hears you."),
        (None, "You are not in this call. Nobody hears you."),
    ],
)
def test_without_a_call_nobody_hears_me(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, state: str | None, sentence: str
) -> None:
    call = new_call()
    kim_listens(call)
    SupervisorSession.objects.update(ended_at=now, stage="ended")
    Ear.objects.update(state=state or "ended", ended_at=None if state else now)
    assert claim_told(kim, call.conference, now) == ("nobody", "verified")
    assert sentence_of(render_claims(kim, call.conference, now)) == sentence


def test_bar_and_desk_name_the_role_and_its_targets(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    came_in(kim_listens, call, now, before="whisper")
    reader = read_claims(render_claims(kim, call.conference, now + 30 * SECOND))
    for place in (reader.bar, reader.desk):
        assert (place["data-role"], place["data-targets"]) == ("whisper", str(call.agents[0].pk))
        assert (place["data-heard"], place["data-state"]) == ("chosen", "verified")


# --- where it is shown ------------------------------------------------------------------------------------------------


def places(reader: Reader) -> dict[str, tuple[str, str]]:
    return {shown.place: (shown.heard, shown.state) for shown in reader.shown()}


def test_page_answer_and_stream_make_the_same_claim(
    kim: User, new_call: NewCall, kim_listens: Listens, page_of: SignIn, now: datetime
) -> None:
    call = new_call()
    sent(came_in(kim_listens, call, now), "update", "barge", "accepted", now + 20 * SECOND, call)
    url = f"/?conference={call.conference.pk}"
    client = page_of(kim)
    page = client.get(url).content.decode()
    answer = client.post("/ear/line/", {"line": kim.lines.get().pk}, headers={**HTMX, "HX-Current-URL": url})
    pushed = "".join(
        PersonalParts(Page(viewer=kim, window=Window(), open_id=call.conference.pk)).pieces(now=timezone.now())
    )
    for html in (page, answer.content.decode(), pushed):
        assert places(read_claims(html)) == dict.fromkeys(PLACES, ("maybe", "accepted"))


def test_my_chip_stands_in_my_row_without_a_script_and_never_in_the_shared_row(
    kim: User, lena: User, new_call: NewCall, kim_listens: Listens, page_of: SignIn, now: datetime
) -> None:
    call = new_call()
    came_in(kim_listens, call, now, before="whisper")
    row = f'<tr id="conference-{call.conference.pk}"'
    mine = row + page_of(kim).get("/").content.decode().split(row)[1].split("</tr>")[0]
    theirs = row + page_of(lena).get("/").content.decode().split(row)[1].split("</tr>")[0]
    assert places(read_claims(mine)) == {"chip": ("chosen", "verified")}
    assert "Your call · Whisper → Ana Ruiz ✓" in strip_tags(mine)
    assert "Kim W." not in mine
    assert read_claims(theirs).found == []
    assert "Kim W. · whisper ✓" in strip_tags(theirs)
    [item] = board(kim, window=Window(), now=now).items
    assert row_cache.render(item, now=now) == row_cache.render(board(lena, window=Window(), now=now).items[0], now=now)


@pytest.mark.parametrize(
    ("fields", "chip"),
    [
        ({}, "Kim W. · monitor ✓"),
        ({"verified_at": None}, "Kim W. · monitor, not confirmed"),
        ({"wanted_role": "barge"}, "Kim W. · monitor, switching"),
        ({"stage": "joining"}, "Kim W. · monitor, joining"),
        ({"stage": "leaving", "role": "barge"}, "Kim W. · barge, leaving"),
    ],
)
def test_a_colleague_s_chip_calls_nothing_certain_that_was_not_read(
    lena: User, new_call: NewCall, kim_listens: Listens, page_of: SignIn, fields: dict[str, str | None], chip: str
) -> None:
    kim_listens(new_call())
    SupervisorSession.objects.update(**fields)
    assert chip in strip_tags(page_of(lena).get("/").content.decode())


def test_the_stream_clears_my_chip_when_i_have_left(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    came_in(kim_listens, call, now)
    own = PersonalParts(Page(viewer=kim, window=Window()))
    assert "chip" in places(read_claims("".join(own.pieces(now=now))))
    SupervisorSession.objects.update(ended_at=now, stage="ended")
    pushed = "".join(own.pieces(now=now))
    assert '<div id="own-chip" hidden></div>' in pushed
    assert places(read_claims(pushed)) == {"bar": ("nobody", "verified")}


def test_the_call_that_my_phone_is_in_concerns_me_also_while_another_is_open(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call, other = new_call(), new_call("other")
    came_in(kim_listens, call, now, before="barge")
    board(kim, window=Window(), now=now)
    own = PersonalParts(Page(viewer=kim, window=Window(), open_id=other.conference.pk))
    for _round in range(2):
        own.pieces(now=now)
    assert not own.is_concerned()
    Participant.objects.filter(leg=call.customer).update(present=False)
    call.announce()
    board(kim, window=Window(), now=now)
    assert own.is_concerned()


def test_who_hears_me_in_an_empty_call_is_still_told(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call(agents=())
    session = came_in(kim_listens, call, now)
    Participant.objects.exclude(leg__call_control_id="v3:kim").update(present=False)
    sent(session, "update", Role.BARGE, "accepted", now + 20 * SECOND, call)
    assert ("sentence", "maybe", "accepted") in claims_shown(kim, call.conference, now + 21 * SECOND)
    said = sentence_of(render_claims(kim, call.conference, now + 21 * SECOND))
    assert said == "Switching to Barge. Somebody may hear you."


def test_whoever_was_taken_out_without_the_database_reads_of_no_other_claim() -> None:
    html = render_to_string("floor/_stopped.html", {"silent": True})
    replaced = set(re.findall(r'hx-target="#([a-z-]+)"', html))
    assert replaced == {"stopped", "my-ear", "own-chip", "desk"}
    reader = read_claims(html)
    assert places(reader) == {"bar": ("nobody", "verified")}
    assert (reader.desk["data-heard"], reader.desk["data-state"]) == ("nobody", "verified")

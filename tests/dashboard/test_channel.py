"""Checks that an old page with all its pieces applied is a fresh page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.utils import timezone, translation

from conferences import names
from conferences.models import Account, Agent, Conference, Participant, Team
from conferences.permissions import rights_book
from dashboard.floor.board import board
from dashboard.floor.health import FloorNotices
from dashboard.floor.live import floor
from dashboard.floor.window import NEEDS, Sort, Window
from dashboard.push.channel import FADES, Channel, PageGroup
from dashboard.rendering import row_cache

from .conftest import NewCall
from .stories import Story

NOTHING = FloorNotices(last_event_at=None, bridged_seen=False)
PIECE = re.compile(r'<hx-partial hx-target="#([^"]+)" hx-swap="([^"]+)">(.*?)</hx-partial>', re.DOTALL)
ROW = re.compile(r'<tr id="([^"]+)".*?</tr>', re.DOTALL)


def without_times(html: str) -> str:
    html = re.sub(r'(data-talks="\d" data-from="\d+">)(?:<rect [^>]*>)+', r"\1", html)
    return re.sub(r'(data-since="\d+">)[0-9:]+', r"\1", html)


@dataclass
class Sheet:
    """The page as a browser would show it: rows by their ids, in order, and the figures around them."""

    rows: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    choices: frozenset[str] = field(default=frozenset(), compare=False)
    """The values to filter by; an old page may offer more than a fresh one, never less."""

    def apply(self, pieces: list[str]) -> None:
        """Do what htmx does: find every target first, then swap one after the other."""
        found = [match.groups() for piece in pieces for match in [PIECE.fullmatch(piece)] if match]
        assert len(found) == len(pieces)
        for target, _swap, _html in found:
            assert target in self.rows or target in {
                "conferences",
                "choices",
                "counters",
                "window",
                "notices",
                "waiting",
            }, target
        for target, swap, html in found:
            self._swap(target, swap, html)

    def _swap(self, target: str, swap: str, html: str) -> None:
        new = {match[1]: without_times(match[0]) for match in ROW.finditer(html)}
        if target == "choices":
            self.choices = frozenset(re.findall(r'<option value="([^"]+)"', html))
        elif target in {"counters", "window", "notices", "waiting"}:
            self.places[target] = without_times(html)
        elif swap == "innerMorph":
            self.rows = new
        elif swap == "delete":
            del self.rows[target]
        elif swap == "outerMorph":
            assert list(new) == [target]
            self.rows[target] = new[target]
        else:
            assert not new.keys() & self.rows.keys()
            shown = list(self.rows.items())
            at = 0 if swap == "afterbegin" else list(self.rows).index(target) + 1
            self.rows = dict([*shown[:at], *new.items(), *shown[at:]])

    @property
    def live(self) -> list[tuple[str, str]]:
        """The rows in order, without those that fade."""
        return [(dom_id, html) for dom_id, html in self.rows.items() if "conference ended" not in html]


def audience_of(user: User, window: Window, zone: str = "UTC") -> PageGroup:
    return PageGroup(scope=rights_book(user).scope, window=window, language="en", zone=ZoneInfo(zone))


def fresh(audience: PageGroup, now: datetime) -> Sheet:
    sheet = Sheet()
    sheet.apply(Channel(audience).snapshot(notices=NOTHING, now=now)[1])
    return sheet


WINDOWS = [
    Window(),
    Window(sort=Sort.NEEDS),
    Window(sort=Sort.NEWEST),
    Window(sort=Sort.NAME),
    Window(sort=Sort.AGENT, by_agent=True),
    Window(sort=Sort.NEEDS, by_agent=True),
    Window(flag=NEEDS, sort=Sort.NEEDS),
    Window(query="a", sort=Sort.NAME),
    Window(supervised=True, waiting=True),
]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_an_old_page_with_everything_applied_is_a_fresh_page(
    account: Account, billing: Team, kim: User, lena: User, now: datetime, seed: int
) -> None:
    chance = Random(seed)
    teams = [billing, Team.objects.create(name="Sales")]
    told = Story(chance=chance, account=account, teams=teams, now=now, people=[kim, lena])
    for _ in range(12):
        told.step()
    floor.refresh(now=told.now)
    audiences = [audience_of(chance.choice([kim, lena]), window) for window in WINDOWS]
    channels = [Channel(audience) for audience in audiences]
    sheets = [fresh_of(channel, told.now) for channel in channels]
    for _ in range(25):
        for _ in range(chance.choice([0, 1, 1, 4, 9])):
            told.step()
        floor.refresh(now=told.now)
        for channel, sheet in zip(channels, sheets, strict=True):
            sheet.apply(channel.changes(notices=NOTHING, now=told.now)[1])
            assert sheet.live == fresh(channel.audience, told.now).live, channel.audience.window
    told.now += FADES + timedelta(seconds=1)
    floor.refresh(now=told.now)
    for channel, sheet in zip(channels, sheets, strict=True):
        sheet.apply(channel.changes(notices=NOTHING, now=told.now)[1])
        again = fresh(channel.audience, told.now)
        assert (list(sheet.rows.items()), sheet.places) == (list(again.rows.items()), again.places)
        assert sheet.choices >= again.choices


def fresh_of(channel: Channel, now: datetime) -> Sheet:
    sheet = Sheet()
    sheet.apply(channel.snapshot(notices=NOTHING, now=now)[1])
    return sheet


def test_a_page_opened_while_a_row_fades_shows_the_fading_row(kim: User, new_call: NewCall, now: datetime) -> None:
    new_call("stays")
    call = new_call("ends")
    floor.refresh(now=now)
    channel = Channel(audience_of(kim, Window()))
    fresh_of(channel, now)
    Conference.objects.filter(id=call.conference.id).update(ended_at=now)
    call.announce()
    floor.refresh(now=now)
    channel.changes(notices=NOTHING, now=now)
    late = fresh_of(channel, now)
    assert sorted("conference ended" in html for html in late.rows.values()) == [False, True]
    late.apply(channel.changes(notices=NOTHING, now=now + FADES)[1])
    assert len(late.rows) == 1


def test_the_row_of_a_call_that_ended_keeps_the_names_of_those_who_left_it(
    kim: User, new_call: NewCall, now: datetime
) -> None:
    call = new_call("ends")
    floor.refresh(now=now)
    channel = Channel(audience_of(kim, Window()))
    fresh_of(channel, now)
    Participant.objects.filter(conference=call.conference).update(present=False, left_at=now)
    Conference.objects.filter(id=call.conference.id).update(ended_at=now)
    call.announce()
    floor.refresh(now=now)
    channel.changes(notices=NOTHING, now=now)
    [row] = fresh_of(channel, now).rows.values()
    assert "conference ended" in row
    assert "Ana Ruiz" in row
    assert "142" in row


def test_a_snapshot_and_the_pieces_after_it_have_their_numbers(kim: User, new_call: NewCall, now: datetime) -> None:
    call = new_call()
    floor.refresh(now=now)
    channel = Channel(audience_of(kim, Window()))
    before, _pieces = channel.snapshot(notices=NOTHING, now=now)
    assert channel.changes(notices=NOTHING, now=now) == (before, [])
    Conference.objects.filter(id=call.conference.id).update(name="Renamed")
    call.announce()
    floor.refresh(now=now)
    number, pieces = channel.changes(notices=NOTHING, now=now)
    assert number == before + 1
    assert [match[1] for piece in pieces for match in [PIECE.fullmatch(piece)] if match] == [
        f"conference-{call.conference.id}"
    ]
    assert channel.snapshot(notices=NOTHING, now=now)[0] == number


def test_one_row_that_moves_is_one_row_that_is_sent(kim: User, new_call: NewCall, now: datetime) -> None:
    calls = [new_call(name) for name in ("b", "c", "d", "e", "f")]
    floor.refresh(now=now)
    channel = Channel(audience_of(kim, Window(sort=Sort.NAME)))
    sheet = fresh_of(channel, now)
    Conference.objects.filter(id=calls[4].conference.id).update(name="a")
    calls[4].announce()
    floor.refresh(now=now)
    _number, pieces = channel.changes(notices=NOTHING, now=now)
    assert [piece.count("<tr") for piece in pieces] == [0, 1]
    sheet.apply(pieces)
    assert next(iter(sheet.rows)) == f"conference-{calls[4].conference.id}"


# --- One rendering for all who read alike -----------------------------------------------------------------------------


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the templates that rows are rendered from."""
    seen: list[str] = []

    def noted(template: str, context: dict[str, Any]) -> str:
        seen.append(template)
        return render_to_string(template, context)

    row_cache.forget()
    monkeypatch.setattr(row_cache, "render_to_string", noted)
    return seen


def test_a_card_is_rendered_once_for_all_who_read_alike(
    kim: User, new_call: NewCall, now: datetime, rendered: list[str]
) -> None:
    call = new_call()
    [item] = board(kim, window=Window(), now=now).items
    for zone in ("UTC", "Asia/Kolkata"):
        with timezone.override(zone):
            row_cache.render(item, now=now)
            row_cache.render(item, now=now + timedelta(seconds=1))
    assert len(rendered) == 1  # the row shows no time of day, so the zone makes no difference
    with translation.override("de"):
        row_cache.render(item, now=now)
    row_cache.render(replace(item, may_monitor=False), now=now)  # type: ignore[arg-type]
    assert len(rendered) == 3
    Participant.objects.filter(leg=call.customer).update(on_hold=True, read_at=now)
    call.announce()
    [held] = board(kim, window=Window(), now=now).items
    with timezone.override("Asia/Kolkata"):
        assert "on hold since 19:33<" in row_cache.render(held, now=now)
    with timezone.override("UTC"):
        assert "on hold since 14:03<" in row_cache.render(held, now=now)
    assert len(rendered) == 5


def test_a_running_time_is_written_when_the_row_is_sent(kim: User, new_call: NewCall, now: datetime) -> None:
    new_call(age=timedelta(minutes=12, seconds=41))
    [item] = board(kim, window=Window(), now=now).items
    assert ">12:41</span>" in row_cache.render(item, now=now)
    assert ">12:43</span>" in row_cache.render(item, now=now + timedelta(seconds=2))


def test_nobody_can_forge_a_running_time(kim: User, new_call: NewCall, now: datetime) -> None:
    # PostgreSQL stores no NUL, SQLite does; the name is plain text before it reaches a row either way.
    assert "\0" not in names.plain('data-since="0">\0<')
    new_call('data-since="0">\x01<')
    [item] = board(kim, window=Window(), now=now).items
    assert "data-since=&quot;0&quot;&gt;&lt;" in row_cache.render(item, now=now)


def test_what_is_personal_is_not_in_the_shared_row(kim: User, lena: User, new_call: NewCall, now: datetime) -> None:
    new_call()
    kim.team_memberships.update(may_whisper=False, may_barge=False)
    [mine] = board(kim, window=Window(), now=now).items
    [theirs] = board(lena, window=Window(), now=now).items
    assert row_cache.render(mine, now=now) == row_cache.render(theirs, now=now)


def test_a_reason_that_no_tile_counts_sends_its_row_and_no_tiles(kim: User, new_call: NewCall, now: datetime) -> None:
    call = new_call(age=timedelta(minutes=9, seconds=59))
    Agent.objects.update(created_at=now - timedelta(days=400))
    channel = Channel(PageGroup(rights_book(kim).scope, Window(), "en", ZoneInfo("UTC")))
    floor.refresh(now=now)
    channel.snapshot(notices=NOTHING, now=now)
    later = now + timedelta(seconds=2)
    floor.refresh(now=later)

    _number, pieces = channel.changes(notices=NOTHING, now=later)

    assert "over 10 min" in "".join(pieces)
    assert [match[1] for piece in pieces if (match := PIECE.fullmatch(piece))] == [f"conference-{call.conference.pk}"]

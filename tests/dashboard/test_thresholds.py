"""Thresholds of a team: edited in the admin, and effective on open floors without a restart."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from conferences.models import Account, Agent, Conference, Connection, Team
from dashboard.floor.board import board
from dashboard.floor.live import floor
from dashboard.floor.window import Window
from dashboard.push.channel import Channel

from .conftest import NewCall
from .test_channel import NOTHING, audience_of


@pytest.fixture
def as_boss(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def save(client: Client, team: Team, **thresholds: Any) -> str:
    """Save a team's page; return what it answers, empty where it was taken."""
    form = {"name": team.name, "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0, **thresholds}
    answer = client.post(reverse("admin:conferences_team_change", args=[team.pk]), form)
    return "" if answer.status_code == 302 else answer.content.decode()


@pytest.fixture
def ana_since_long(ana: Agent, now: datetime) -> Agent:
    Agent.objects.update(created_at=now - timedelta(days=400))
    return ana


@pytest.mark.django_db(transaction=True)
def test_a_threshold_that_is_saved_shows_on_an_open_floor(
    as_boss: Client, kim: User, account: Account, new_call: NewCall, billing: Team, now: datetime
) -> None:
    Connection.objects.create(account=account, connection_id="line", team=billing)
    call = new_call(age=timedelta(minutes=5), agents=())
    Conference.objects.filter(pk=call.conference.pk).update(connection_id="line")
    floor.refresh(now=now)
    channel = Channel(audience_of(kim, Window()))
    channel.snapshot(notices=NOTHING, now=now)

    def told(at: datetime) -> str:
        floor.refresh(now=at)
        return "".join(channel.changes(notices=NOTHING, now=at)[1])

    assert save(as_boss, billing, long_call_minutes=4, very_long_call_minutes=6) == ""
    assert "over 4 min" in told(now + timedelta(seconds=1))
    assert "over 6 min" in told(now + timedelta(minutes=1))  # by itself, at its moment

    assert save(as_boss, billing) == ""
    told(now + timedelta(seconds=62))
    assert [card.reasons for card in board(kim, window=Window(), now=now + timedelta(seconds=62)).rows] == [()]


def test_the_calls_of_other_teams_keep_theirs(
    kim: User, lena: User, new_call: NewCall, ana_since_long: Agent, billing: Team, now: datetime
) -> None:
    Team.objects.filter(pk=billing.pk).update(long_call_minutes=1)
    new_call("ours", age=timedelta(minutes=5))
    new_call("nobody's", team=None, agents=(), age=timedelta(minutes=5))
    reasons = {card.name: card.reasons for card in board(lena, window=Window(), now=now).rows}
    assert [reason.sentence for reason in reasons["ours"]] == ["over 1 min"]
    assert reasons["nobody's"] == ()


def test_what_makes_no_sense_is_refused_with_what_to_do_and_kept(as_boss: Client, billing: Team) -> None:
    answer = save(as_boss, billing, long_call_minutes=40)
    assert "A very long call takes longer than a long one, which takes 40 minutes." in answer
    assert 'value="40"' in answer
    assert "greater than or equal to 1" in save(as_boss, billing, hold_seconds=0)
    billing.refresh_from_db()
    assert billing.long_call_minutes is None

"""Rebuilding, forgetting, the worker's lease, polling, and what is said after an outage."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from conferences import changes, retention
from conferences.changes import Hub
from conferences.lease import LIFE, Holder
from conferences.logins import end_sessions
from conferences.models import (
    Account,
    Agent,
    Command,
    Conference,
    Ear,
    Lease,
    Leg,
    Note,
    NumberSearch,
    Participant,
    Screen,
    Stop,
    SupervisorSession,
    UnsteeredLine,
    WebhookEvent,
)
from conferences.models.supervision import Role
from conferences.projection.observations import Observation, observe
from conferences.projection.rebuild import rebuild
from conferences.retention import delete_old_rows
from conferences.sandbox.center import directory
from conferences.telnyx.inbound import Event
from conferences.worker import EarLoop
from tests.proofs.boards import board, differences, people, take_in
from tests.proofs.histories import START, story
from tests.supervision.conftest import Floor

from .floors import account, many_calls, unheard, wait
from .signed import event

NOW = START + timedelta(hours=1)


@pytest.fixture
def telnyx(db: None) -> Account:
    return people()


# --- Rebuild ----------------------------------------------------------------------------------------------------------


def test_a_rebuild_from_the_stored_webhooks_gives_the_identical_board(telnyx: Account) -> None:
    bodies = story(3, seconds=20)
    take_in(telnyx, bodies)
    before, version = board(), changes.current().version
    report = rebuild(account=telnyx, since=START - timedelta(days=1), now=NOW)
    assert report.mended == []
    assert report.rows == len(before)
    assert differences(before, board()) == []
    assert changes.current().version == version


def test_a_rebuild_mends_what_is_wrong_and_pushes_it(telnyx: Account) -> None:
    take_in(telnyx, story(3, seconds=20))
    before = board()
    Participant.objects.update(present=False, facts={})
    Leg.objects.update(from_address="", facts={})
    Conference.objects.update(ended_at=None, facts={})
    version = changes.current().version
    report = rebuild(account=telnyx, since=START - timedelta(days=1), now=NOW)
    assert differences(before, board()) == []
    assert report.mended
    assert changes.current().version > version


def test_a_rebuild_keeps_what_only_readings_know(floor: Floor) -> None:
    call = floor.call()
    before = board()
    rebuild(account=floor.account, since=START - timedelta(days=1), now=floor.now)
    assert call.conference.name == "Billing-4312"
    assert differences(before, board()) == []


def test_a_rebuild_puts_on_the_board_what_failed_when_it_came(telnyx: Account) -> None:
    joined = {"conference_id": "c1", "call_control_id": "v3:leg"}
    take_in(telnyx, [event("conference.participant.joined", event_id="j", at=START.isoformat(), **joined)])
    Participant.objects.all().delete()
    Conference.objects.all().delete()
    WebhookEvent.objects.update(state=WebhookEvent.State.FAILED, problem="ValueError")
    rebuild(account=telnyx, since=START - timedelta(days=1), now=NOW)
    assert Participant.objects.get().present
    assert WebhookEvent.objects.get().state == WebhookEvent.State.PROJECTED


def test_one_webhook_that_fails_again_does_not_end_a_rebuild(telnyx: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {"conference_id": "c1", "at": START.isoformat()}
    take_in(telnyx, [event("conference.created", event_id=name, **ids) for name in ("poison", "good")])
    WebhookEvent.objects.update(state=WebhookEvent.State.FAILED, problem="ValueError")
    monkeypatch.setattr("conferences.projection.rebuild.observe", choking_on("poison", observe))
    rebuild(account=telnyx, since=START - timedelta(days=1), now=NOW)
    events = WebhookEvent.objects.order_by("event_id").values_list("event_id", "state", "problem", "attempts")
    assert list(events) == [("good", "projected", "", 2), ("poison", "failed", "ArithmeticError", 2)]


def choking_on(event_id: str, understand: Callable[[Event], Observation]) -> Callable[[Event], Observation]:
    """Return a way to understand webhooks that fails at one."""

    def choking(seen: Event) -> Observation:
        if seen.id == event_id:
            raise ArithmeticError("cannot")
        return understand(seen)

    return choking


@pytest.mark.slow
def test_a_rebuild_makes_rows_that_are_gone(telnyx: Account) -> None:
    take_in(telnyx, story(3, seconds=20))
    before = board()
    Participant.objects.filter(present=True).delete()
    Leg.objects.filter(pk__in=list(Leg.objects.values_list("pk", flat=True)[:3])).delete()
    Conference.objects.filter(pk__in=list(Conference.objects.values_list("pk", flat=True)[:2])).delete()
    report = rebuild(account=telnyx, since=START - timedelta(days=1), now=NOW)
    assert report.mended
    assert differences(before, board()) == []
    assert rebuild(account=telnyx, since=START - timedelta(days=1), now=NOW).mended == []


def test_a_rebuild_makes_the_whole_board_from_the_stored_webhooks_alone(telnyx: Account) -> None:
    take_in(telnyx, story(3, seconds=20))
    before = board()
    for model in (Participant, Leg, Conference):
        model._default_manager.all().delete()
    rebuild(account=telnyx, since=START - timedelta(days=1), now=NOW)
    assert differences(before, board()) == []


def test_rows_older_than_the_stored_webhooks_are_left_alone(telnyx: Account) -> None:
    take_in(telnyx, story(3, seconds=20))
    before = board()
    WebhookEvent.objects.all().delete()
    rebuild(account=telnyx, since=START + timedelta(days=1), now=NOW)
    assert differences(before, board()) == []


def test_the_command_says_whether_the_board_was_right(telnyx: Account) -> None:
    joined = {"conference_id": "c1", "call_control_id": "v3:leg"}
    take_in(telnyx, [event("conference.participant.joined", event_id="j", at=START.isoformat(), **joined)])
    with time_machine.travel(NOW, tick=False):
        assert "The board is identical." in said("rebuild")
        Participant.objects.update(present=False)
        assert "1 were wrong and are mended" in said("rebuild")


def said(command: str) -> str:
    out = StringIO()
    call_command(command, stdout=out)
    return out.getvalue()


# --- Retention --------------------------------------------------------------------------------------------------------


def test_old_rows_are_deleted_in_small_batches(telnyx: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    take_in(telnyx, story(3, seconds=20))
    events = WebhookEvent.objects.count()
    monkeypatch.setattr(retention, "BATCH", 25)
    late = START + timedelta(days=31)
    assert delete_old_rows(now=late) == 25
    assert WebhookEvent.objects.count() == events - 25
    while delete_old_rows(now=late):
        pass
    assert not WebhookEvent.objects.exists()
    assert Conference.objects.exists()


def test_an_operator_says_how_long_webhooks_are_kept(telnyx: Account, settings: Settings) -> None:
    settings.EVENTS_KEPT_DAYS = 2
    take_in(telnyx, story(3, seconds=20))
    assert delete_old_rows(now=START + timedelta(days=1)) == 0
    while delete_old_rows(now=START + timedelta(days=3)):
        pass
    assert not WebhookEvent.objects.exists()
    assert Conference.objects.exists()


def test_calls_go_later_with_everyone_who_was_in_them_and_live_ones_stay(telnyx: Account) -> None:
    take_in(telnyx, story(3, seconds=60, rate=60))
    live = set(Conference.objects.filter(ended_at=None).values_list("pk", flat=True))
    assert 0 < len(live) < Conference.objects.count()
    while delete_old_rows(now=START + timedelta(days=91)):
        pass
    assert set(Conference.objects.values_list("pk", flat=True)) == live
    assert not Leg.objects.exclude(participations__conference__in=live).exists()


@pytest.mark.slow
def test_what_supervision_did_outlives_the_call_by_its_own_time(floor: Floor, kim: User) -> None:
    call = floor.call()
    call.choose(kim, Role.MONITOR)
    floor.wait(5)
    Conference.objects.update(ended_at=floor.now)
    SupervisorSession.objects.update(ended_at=floor.now)
    while delete_old_rows(now=floor.now + timedelta(days=200)):
        pass
    assert SupervisorSession.objects.count() == Conference.objects.count() == 1
    assert Command.objects.exists()
    while delete_old_rows(now=floor.now + timedelta(days=400)):
        pass
    assert not Command.objects.exists()
    assert not SupervisorSession.objects.exists()
    assert not Conference.objects.exists()


def test_expired_sessions_are_deleted(db: None, kim: User, client: Client) -> None:
    client.force_login(kim)
    end_sessions(now=timezone.now())
    assert Session.objects.exists()
    # Not by retention, which tells nobody's audit.
    assert delete_old_rows(now=timezone.now() + timedelta(days=1)) == 0
    end_sessions(now=timezone.now() + timedelta(days=1))
    assert not Session.objects.exists()


GROWS = {
    "WebhookEvent",
    "Command",
    "SupervisorSession",
    "Ear",
    "Conference",
    "Participant",
    "Leg",
    "Note",
    "NumberSearch",
    "Session",
    "Stop",
    "UnsteeredLine",
}
# By the number of people and of things that they entered, not by time. The admin's history stays, and so does the audit
# with its chain unless AUDIT_KEPT_DAYS is set (test_audit_chain.py). CachedValue holds a bounded number of counts
# (MAX_ENTRIES in settings.py); what begins with Email and Social is allauth's, and nothing is written there.
STAYS = {
    "Account", "Agent", "AuditAnchor", "AuditEntry", "AuditOpening", "AuditSeal", "AuditSegment", "Authenticator",
    "BoardVersion", "CachedValue", "Connection", "ContentType", "DatabaseStamp", "EmailAddress", "EmailConfirmation",
    "Group", "Lease", "Line", "LogEntry", "Permission", "Preferences",
    "Presence", "Protection", "SavedView", "Screen", "SocialAccount", "SocialApp", "SocialToken", "Team",
    "TeamMembership", "TeamRule", "User",
}  # fmt: skip


@pytest.mark.slow
def test_every_table_is_pruned_or_does_not_grow(floor: Floor, kim: User, client: Client) -> None:
    """A new model needs a place here, and what grows with every call needs one in `delete_old_rows`."""
    assert {model.__name__ for model in apps.get_models() if not model._meta.proxy} == GROWS | STAYS
    call = floor.call()
    call.choose(kim, Role.MONITOR)
    floor.wait(5)
    Note.objects.create(conference=call.conference, author=kim, at=floor.now, text="polite")
    NumberSearch.objects.create(user=kim, token="t", query="+13125550142", at=floor.now, used_at=floor.now)
    Stop.objects.create(user=kim, way=Stop.Way.LEAVE, pressed_at=floor.now)
    leg = Leg.objects.filter(participations__conference=call.conference).latest("pk")
    line = {"user": kim, "conference": call.conference, "leg": leg, "reason": "no right", "role": Role.MONITOR}
    UnsteeredLine.objects.create(**line, started_at=floor.now)
    client.force_login(kim)
    models = [model for model in apps.get_models() if model.__name__ in GROWS]
    assert [model.__name__ for model in models if not model._default_manager.exists()] == []
    Conference.objects.update(ended_at=floor.now)
    Leg.objects.update(hung_up_at=floor.now)
    SupervisorSession.objects.update(ended_at=floor.now)
    UnsteeredLine.objects.update(ended_at=floor.now)
    Ear.objects.update(ended_at=floor.now)
    while delete_old_rows(now=floor.now + timedelta(days=366)):
        pass
    end_sessions(now=floor.now + timedelta(days=366))
    assert [model.__name__ for model in models if model._default_manager.exists()] == []


# --- The lease --------------------------------------------------------------------------------------------------------


def test_one_worker_works_and_the_others_stand_by(db: None) -> None:
    first, second = Holder("worker"), Holder("worker")
    assert first.claim(now=NOW)
    assert not second.claim(now=NOW)
    assert first.is_ours(now=NOW)
    assert not second.is_ours(now=NOW)


def test_a_worker_that_died_is_followed_by_another_with_a_higher_token(db: None) -> None:
    first, second = Holder("worker"), Holder("worker")
    first.claim(now=NOW)
    assert not second.claim(now=NOW + LIFE * 0.9)
    assert second.claim(now=NOW + LIFE)
    assert first.token is not None
    assert second.token is not None
    assert second.token > first.token


def test_a_worker_whose_lease_ran_out_begins_no_further_step(db: None) -> None:
    first, second = Holder("worker"), Holder("worker")
    first.claim(now=NOW)
    late = NOW + LIFE
    assert not first.is_ours(now=late)  # by its own clock, before it has asked anybody
    second.claim(now=late)
    assert not first.claim(now=late)
    assert second.claim(now=late + timedelta(seconds=3))


class AskedHolder(Holder):
    """Tells when it has been asked for the third time."""

    def __init__(self) -> None:
        super().__init__("worker")
        self.answers = list[bool]()
        self.asked_thrice = threading.Event()

    def is_ours(self, *, now: datetime) -> bool:
        self.answers.append(super().is_ours(now=now))
        if len(self.answers) == 3:
            self.asked_thrice.set()
        return self.answers[-1]


def test_ears_that_wait_for_their_turn_are_not_stepped_once_the_lease_has_run_out(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, stepped, all_wait = AskedHolder(), list[UUID](), threading.Event()
    ears = [uuid4() for _ in range(3)]
    with time_machine.travel(NOW, tick=False) as travel:

        def step_ear(*, ear_id: UUID, now: datetime) -> None:
            stepped.append(ear_id)
            all_wait.wait(10)
            travel.move_to(NOW + LIFE)

        monkeypatch.setattr("conferences.worker.EARS_AT_ONCE", 1)
        monkeypatch.setattr("conferences.worker.open_ears", lambda: dict.fromkeys(ears, 1))
        monkeypatch.setattr("conferences.worker.step_ear", step_ear)
        holder.claim(now=NOW)
        loop = EarLoop(holder)
        loop.step()
        all_wait.set()
        assert holder.asked_thrice.wait(10)
        loop.close()
    assert (holder.answers, stepped) == ([True, False, False], ears[:1])


def test_a_worker_that_ends_in_order_leaves_the_lease_free(db: None) -> None:
    first, second = Holder("worker"), Holder("worker")
    first.claim(now=NOW)
    first.give_back(now=NOW)
    assert second.claim(now=NOW)
    assert Lease.objects.count() == 1


# --- Polling, and after an outage -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_account_that_is_polled_shows_new_calls_within_a_few_seconds_and_learns_whose_legs_they_are(
    floor: Floor,
) -> None:
    Account.objects.update(agent_path="agent")
    floor.account.refresh_from_db()
    ana = directory.team_named("Billing").agents[0]
    Agent.objects.filter(name=ana.name).update(reference=ana.reference)
    floor.webhooks_lost = True
    poll(floor, 10)
    many_calls(floor, 1)
    poll(floor, 5)
    assert Conference.objects.get().name == "Billing-0"
    poll(floor, 5)
    assert {str(leg.agent) for leg in Leg.objects.filter(participations__present=True) if leg.agent} == {ana.name}
    for scene_leg in floor.world.legs.values():
        scene_leg.participant = None
    for conference in list(floor.world.active.values()):
        conference.ended_at = floor.world.now
        floor.world.retire_conference(conference)
    poll(floor, 20)
    assert Conference.objects.get().ended_at is not None


def poll(floor: Floor, seconds: int, *, reads_per_second: int = 5) -> None:
    for _ in range(seconds):
        floor.world.advance(floor.world.now + 1)
        floor.travel.move_to(floor.now)
        floor.deliver()
        floor.reconciler.step(reads_per_second=reads_per_second, polling=True)


@pytest.mark.slow
def test_a_polled_floor_that_takes_all_reads_learns_whose_legs_they_are_first_of_those_on_a_screen(
    floor: Floor,
) -> None:
    floor.webhooks_lost = True
    many_calls(floor, 30)
    poll(floor, 60, reads_per_second=1)
    asked = Leg.objects.filter(facts__has_key="client_state")
    shown = Conference.objects.exclude(participants__leg__in=asked).earliest("name")
    for _ in range(2):
        Screen.objects.update_or_create(
            process=UUID(int=1), defaults={"conference_ids": [str(shown.pk)], "at": floor.now}
        )
        poll(floor, 20, reads_per_second=1)
    assert asked.filter(participations__conference=shown).count() == 2
    poll(floor, 100, reads_per_second=1)
    assert asked.count() > 20
    # Conferences that were read before are read again meanwhile.
    assert not Conference.objects.filter(participants_read_at__lt=floor.now - timedelta(seconds=130)).exists()


@pytest.mark.slow
def test_a_board_is_live_only_after_its_first_full_pass(floor: Floor) -> None:
    many_calls(floor, 20)
    assert not account(floor).is_live(now=floor.now)
    wait(floor, 1)
    assert account(floor).unsure_since is not None
    wait(floor, 40, until=lambda: account(floor).is_live(now=floor.now))
    assert not Conference.objects.filter(ended_at=None, participants_read_at=None).exists()


@pytest.mark.slow
def test_after_an_outage_the_board_is_not_live_until_everything_was_compared_again(floor: Floor) -> None:
    many_calls(floor, 20)
    wait(floor, 40, until=lambda: account(floor).is_live(now=floor.now))
    last = account(floor).checked_at
    floor.fault("*", method="GET", status=503, times=100_000)
    unheard(floor, 100)
    assert not account(floor).is_live(now=floor.now)
    floor.faults.armed.clear()
    wait(floor, 8)
    assert account(floor).unsure_since == last
    began = floor.now
    wait(floor, 60, until=lambda: account(floor).is_live(now=floor.now))
    assert not Conference.objects.filter(ended_at=None, participants_read_at__lt=began - timedelta(seconds=10)).exists()


# --- Wake-ups ---------------------------------------------------------------------------------------------------------


def test_a_change_is_seen_without_any_wake_up(transactional_db: None) -> None:
    """Another process commits; nobody tells this one, and it looks by itself."""

    async def scenario() -> tuple[int, int]:
        hub = Hub()
        before = await hub.wait(after=-1, seconds=20)
        await asyncio.to_thread(committed)
        seen = await hub.wait(after=before, seconds=20)
        hub.close()
        return before, seen

    before, seen = asyncio.run(scenario())
    assert seen > before


def committed() -> None:
    with changes.board_change(now=NOW):
        pass
    close()


def close() -> None:
    connection.close()


def test_a_hold_that_changes_nothing_takes_no_version(db: None, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks() as woken:
        with changes.board_hold(now=NOW):
            pass
        with changes.board_hold(now=NOW, ingested=True):
            pass
    assert (changes.current().version, changes.current().ingested_at) == (0, NOW)
    assert woken == []

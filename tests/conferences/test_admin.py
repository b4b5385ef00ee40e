"""The admin: who gets in, what each page shows, what none of them tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.fixtures import Settings

from conferences import audit, changes
from conferences.models import (
    Account,
    Agent,
    AuditEntry,
    Cause,
    Command,
    Conference,
    Connection,
    Ear,
    Leg,
    Line,
    Participant,
    Protection,
    Supervisor,
    SupervisorSession,
    Team,
    TeamMembership,
    TeamRule,
    UnsteeredLine,
    WebhookEvent,
)
from conferences.models.account import Feed
from conferences.models.records import command_action
from tests.planted import FIELD_KEYS

from .signed import event

CONFIGURED = [Account, Connection, Team, Agent, Supervisor, User, TeamRule, Protection]
RECORDED = [Conference, Participant, Leg, WebhookEvent, Command, AuditEntry, SupervisorSession, UnsteeredLine, Ear]
CALL_CONTROL_ID = "v3:J5j5mhXi1qWN-s2O8pS7SxNIHhDpHKXamOHX0Fxy"
CUSTOMER = "+13125550142"
KEY = "KEY0123456789_planted"


def url(model: type, page: str, *args: object) -> str:
    meta = model._meta  # type: ignore[attr-defined]
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss")


@pytest.fixture
def as_boss(client: Client, boss: User) -> Client:
    client.force_login(boss)
    return client


Grow = Callable[[str], None]


def grow_floor(account: Account, ana: Agent, *, at: datetime, name: str) -> None:
    """Add one row to every table that the admin lists."""
    Connection.objects.create(account=account, connection_id=name, team=ana.team)
    team = Team.objects.create(name=name)
    Agent.objects.create(name=name, team=team, sip_username=name)
    TeamRule.objects.create(looks_at="queue", pattern=name, team=team)
    Protection.objects.create(kind="queue", pattern=name)
    user = User.objects.create_user(name)
    TeamMembership.objects.create(user=user, team=team)
    conference = Conference.objects.create(account=account, telnyx_id=name, name=name, team=team, started_at=at)
    facts = {key: ["1 0 x", value] for key, value in (("direction", "incoming"), ("connection_id", name))}
    leg = Leg.objects.create(
        account=account, call_control_id=f"{CALL_CONTROL_ID}{name}", facts=facts, direction="incoming",
        from_address=CUSTOMER, caller_name=CUSTOMER, connection_id=name, agent=ana, started_at=at,
    )  # fmt: skip
    Participant.objects.create(account=account, conference=conference, leg=leg, present=True, joined_at=at)
    line = Line.objects.create(user=user, label="Desk", kind=Line.Kind.SIP, address=f"sip:{name}@sip.telnyx.com")
    ear = Ear.objects.create(
        account=account, user=user, line=line, kind=line.kind, call_control_id=leg.call_control_id, created_at=at
    )
    session = SupervisorSession.objects.create(
        user=user, ear=ear, conference=conference, wanted_at=at, started_at=at
    )  # fmt: skip
    UnsteeredLine.objects.create(
        user=user, line=line, conference=conference, leg=leg, reason="no right", role="monitor", started_at=at
    )
    command = Command.objects.create(
        account=account, kind="join", actor=user, ear=ear, session=session, conference=conference, asked_at=at
    )
    AuditEntry.objects.create(at=at, actor=user, action="join asked", account=account, command_id=command.pk)
    payload = {"call_control_id": leg.call_control_id, "from": CUSTOMER, "client_state": "c2VjcmV0"}
    body = json.dumps({"data": {"id": name, "payload": payload}}).encode()
    WebhookEvent.objects.create(
        account=account, event_id=name, event_type="call.initiated", occurred_at=at, received_at=at,
        conference_telnyx_id=name, call_control_id=leg.call_control_id, state="projected", body=body,
    )  # fmt: skip


@pytest.fixture
def grow(account: Account, ana: Agent, now: datetime) -> Grow:
    return lambda name: grow_floor(account, ana, at=now, name=name)


@pytest.fixture
def floor(grow: Grow) -> None:
    grow("one")


@pytest.mark.parametrize("model", [*CONFIGURED, *RECORDED])
@pytest.mark.usefixtures("floor")
def test_every_page_opens_for_a_superuser(as_boss: Client, model: type[Any]) -> None:
    row = model.objects.order_by("pk")[0]
    assert as_boss.get(url(model, "changelist")).status_code == 200
    assert as_boss.get(url(model, "changelist"), {"q": "one"}).status_code == 200
    assert as_boss.get(url(model, "change", row.pk)).status_code == 200


@pytest.mark.usefixtures("floor")
def test_no_model_is_registered_without_a_page_test() -> None:
    ours = {model for model in apps.get_app_config("conferences").get_models() if admin.site.is_registered(model)}
    assert ours | {User} == {*CONFIGURED, *RECORDED}


@pytest.mark.parametrize("model", RECORDED)
@pytest.mark.usefixtures("floor")
def test_what_happened_cannot_be_changed_not_even_by_a_superuser(as_boss: Client, model: type[Any]) -> None:
    row = model.objects.order_by("pk")[0]
    assert as_boss.get(url(model, "add")).status_code == 403
    assert as_boss.post(url(model, "change", row.pk), {}).status_code == 403
    assert as_boss.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


@pytest.mark.usefixtures("floor")
def test_kim_who_is_no_staff_is_refused(client: Client, kim: User) -> None:
    client.force_login(kim)
    for model in (*CONFIGURED, *RECORDED):
        answer = client.get(url(model, "changelist"))
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")


@pytest.mark.usefixtures("floor")
def test_lena_sees_only_what_she_was_permitted(client: Client, lena: User) -> None:
    lena.user_permissions.add(Permission.objects.get(codename="view_webhookevent"))
    client.force_login(lena)
    opened = {model for model in (*CONFIGURED, *RECORDED) if client.get(url(model, "changelist")).status_code == 200}
    assert opened == {WebhookEvent}


@pytest.mark.parametrize("model", [*CONFIGURED, *RECORDED])
def test_a_longer_list_takes_no_more_queries(as_boss: Client, grow: Grow, model: type[Any]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert as_boss.get(url(model, "changelist") + ("?whose=all" if model is Leg else "")).status_code == 200
        return len(captured)

    grow("one")
    few = queries()
    for name in ("two", "three", "four"):
        grow(name)
    assert queries() == few


@pytest.mark.slow
@pytest.mark.parametrize("model", RECORDED)
@pytest.mark.usefixtures("floor")
def test_legs_cannot_be_commanded_with_what_a_page_shows(as_boss: Client, model: type[Any]) -> None:
    row = model.objects.order_by("pk")[0]
    changelist = url(model, "changelist") + ("?whose=all" if model is Leg else "")
    for address in (changelist, url(model, "change", row.pk)):
        assert CALL_CONTROL_ID not in as_boss.get(address).content.decode()


@pytest.mark.parametrize("model", [WebhookEvent, Leg, Conference])
@pytest.mark.usefixtures("floor")
def test_who_is_no_superuser_sees_no_full_number(client: Client, lena: User, model: type[Any]) -> None:
    Leg.objects.update(agent=None, party=Leg.Party.CUSTOMER)
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label="conferences"))
    client.force_login(lena)
    page = client.get(url(model, "change", model.objects.get().pk)).content.decode()
    assert CUSTOMER not in page
    assert "•••• 142" in page


@pytest.mark.usefixtures("floor")
def test_a_superuser_sees_the_number_and_lena_no_client_state(as_boss: Client, lena: User) -> None:
    address = url(WebhookEvent, "change", WebhookEvent.objects.get().pk)
    assert CUSTOMER in as_boss.get(address).content.decode()
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label="conferences"))
    as_boss.force_login(lena)
    assert "c2VjcmV0" not in as_boss.get(address).content.decode()


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff\xfe", b"[" * 100_000, b"9" * 200_000, b'{"a": NaN}'),
        *(b'"<script>alert(1)</script>\\u202e"', b'"\\ud800"', '"\U000e0041"'.encode()),
    ],
)
@pytest.mark.usefixtures("floor")
def test_a_hostile_body_is_shown_harmlessly(as_boss: Client, body: bytes) -> None:
    WebhookEvent.objects.update(body=body, state="unreadable", event_type="")
    page = as_boss.get(url(WebhookEvent, "change", WebhookEvent.objects.get().pk))
    assert page.status_code == 200
    assert b"<script>alert" not in page.content
    assert not {"\u202e", "\U000e0041"} & set(page.content.decode())


@pytest.mark.parametrize("key", ["event_id", "conference_telnyx_id", "call_control_id"])
def test_an_event_is_found_by_a_whole_id(as_boss: Client, grow: Grow, key: str) -> None:
    for name in ("one", "two"):
        grow(name)
    wanted = WebhookEvent.objects.get(event_id="two")
    found = as_boss.get(url(WebhookEvent, "changelist"), {"q": getattr(wanted, key)}).context["cl"].result_list
    assert list(found) == [wanted]


@pytest.mark.parametrize("query", [{"q": "two"}, {"q": "id"}, {"kind__exact": "join", "state__exact": "asked"}])
def test_a_command_is_found_by_its_id_its_conference_or_a_filter(
    as_boss: Client, grow: Grow, query: dict[str, str]
) -> None:
    grow("two")
    wanted = Command.objects.get()
    query = {key: str(wanted.pk) if text == "id" else text for key, text in query.items()}
    found = as_boss.get(url(Command, "changelist"), query).context["cl"].result_list
    assert list(found) == [wanted]
    assert not as_boss.get(url(Command, "changelist"), {"q": str(uuid4())}).context["cl"].result_list


@pytest.mark.parametrize("whose", ["", "call.initiated", "other"])
@pytest.mark.usefixtures("floor")
def test_events_are_filtered_by_type(as_boss: Client, whose: str) -> None:
    found = as_boss.get(url(WebhookEvent, "changelist"), {"type": whose} if whose else {}).context["cl"].result_list
    assert len(found) == (0 if whose == "other" else 1)


@pytest.mark.parametrize(("live", "names"), [("", {"one", "two"}), ("yes", {"one"}), ("no", {"two"})])
def test_conferences_are_filtered_by_whether_they_live(
    as_boss: Client, grow: Grow, now: datetime, live: str, names: set[str]
) -> None:
    grow("one")
    grow("two")
    Conference.objects.filter(name="two").update(ended_at=now)
    found = as_boss.get(url(Conference, "changelist"), {"live": live} if live else {}).context["cl"].result_list
    assert {conference.name for conference in found} == names


# --- the account and its key ---


@pytest.fixture
def with_key(account: Account, settings: Settings) -> Account:
    settings.FIELD_KEYS = FIELD_KEYS[:1]
    settings.TELNYX_API_KEY = "KEY_from_the_environment"
    account.api_key = KEY
    account.save()
    return account


def account_form(**changes: str) -> dict[str, str]:
    numbers = dict.fromkeys(("max_ears", "ear_idle_minutes", "whisper_alone_seconds", "barge_alone_seconds"), "60")
    return {
        "name": "default",
        "is_active": "on",
        "feed": "webhooks",
        "reads_per_second": "5",
        "region": "",
        "whisper_reaches": "unproven",
        **numbers,
        **changes,
    }


def test_the_key_is_on_no_page_and_in_no_history(as_boss: Client, with_key: Account, boss: User) -> None:
    change = url(Account, "change", with_key.pk)
    as_boss.post(change, account_form(new_api_key="KEY_of_tomorrow"))
    pages = [change, url(Account, "changelist"), url(Account, "history", with_key.pk)]
    html = "".join(as_boss.get(page).content.decode() for page in pages)
    told = html + "".join(LogEntry.objects.values_list("change_message", flat=True))
    assert not [secret for secret in (KEY, "KEY_of_tomorrow", "KEY_from_the_environment") if secret in told]


def test_a_refused_form_does_not_send_the_key_back(as_boss: Client, with_key: Account) -> None:
    answer = as_boss.post(url(Account, "change", with_key.pk), account_form(name="", new_api_key="KEY_of_tomorrow"))
    assert answer.status_code == 200
    assert "KEY_of_tomorrow" not in answer.content.decode()


def test_an_empty_field_keeps_the_key(as_boss: Client, with_key: Account) -> None:
    as_boss.post(url(Account, "change", with_key.pk), account_form(name="renamed"))
    with_key.refresh_from_db()
    assert (with_key.name, with_key.api_key) == ("renamed", KEY)


@pytest.mark.parametrize("feed", Feed.values)
def test_each_accounts_feed_is_chosen_here(as_boss: Client, with_key: Account, feed: str) -> None:
    other = Account.objects.create(name="other")
    as_boss.post(url(Account, "change", with_key.pk), account_form(feed=feed))
    with_key.refresh_from_db()
    other.refresh_from_db()
    assert (with_key.feed, other.feed) == (feed, Feed.WEBHOOKS)


def test_a_new_key_replaces_the_old_one(as_boss: Client, with_key: Account) -> None:
    as_boss.post(url(Account, "change", with_key.pk), account_form(new_api_key=" KEY_of_tomorrow "))
    with_key.refresh_from_db()
    assert with_key.api_key == "KEY_of_tomorrow"


def test_a_tick_forgets_the_key(as_boss: Client, with_key: Account) -> None:
    as_boss.post(url(Account, "change", with_key.pk), account_form(clear_api_key="on"))
    with_key.refresh_from_db()
    assert with_key.api_key == ""
    assert b"the one in TELNYX_API_KEY is used" in as_boss.get(url(Account, "change", with_key.pk)).content


def test_a_key_without_field_keys_is_refused_with_the_settings_name(
    as_boss: Client, account: Account, settings: Settings
) -> None:
    settings.FIELD_KEYS = []
    answer = as_boss.post(url(Account, "change", account.pk), account_form(new_api_key=KEY))
    assert b"FIELD_KEYS is needed" in answer.content


def test_the_account_opens_and_takes_a_new_key_though_the_old_field_keys_are_lost(
    as_boss: Client, with_key: Account, settings: Settings
) -> None:
    settings.FIELD_KEYS = FIELD_KEYS[:1]
    change = url(Account, "change", with_key.pk)
    assert as_boss.get(change).status_code == 200
    assert as_boss.post(change, account_form(new_api_key="KEY_of_tomorrow")).status_code == 302
    with_key.refresh_from_db()
    assert with_key.api_key == "KEY_of_tomorrow"


def test_the_account_says_what_comes_from_the_environment(
    as_boss: Client, account: Account, settings: Settings
) -> None:
    settings.TELNYX_CONNECTION_ID = "278190345"
    page = as_boss.get(url(Account, "change", account.pk)).content.decode()
    assert "Empty: 278190345 is used, from TELNYX_CONNECTION_ID." in page


def test_wrong_numbers_and_public_keys_are_refused(as_boss: Client, account: Account) -> None:
    answer = as_boss.post(
        url(Account, "change", account.pk), account_form(from_number="555 1234", public_keys="not a key")
    )
    assert {"from_number", "public_keys"} == set(answer.context["adminform"].form.errors)


def test_saving_an_account_leaves_alone_what_the_worker_and_the_intake_write(
    as_boss: Client, with_key: Account, now: datetime
) -> None:
    noted = {"feed_stopped_since": now, "unsure_since": now, "checked_at": now, "heard_at": now, "clock_ahead": 7.5}
    noted |= {"check_problem": "Telnyx does not answer.", "whisper_reaches": "later"}

    def work_on(**_signal: object) -> None:
        """Write between the reading of the row and its saving, as another process would."""
        Account.objects.update(**noted)

    pre_save.connect(work_on, sender=Account)
    try:
        form = account_form(name="renamed", max_ears="7", new_api_key="KEY_of_tomorrow")
        assert as_boss.post(url(Account, "change", with_key.pk), form).status_code == 302
    finally:
        pre_save.disconnect(work_on, sender=Account)
    assert Account.objects.values(*noted).get() == noted
    with_key.refresh_from_db()
    assert (with_key.name, with_key.max_ears, with_key.api_key) == ("renamed", 7, "KEY_of_tomorrow")


def test_an_account_cannot_be_deleted(as_boss: Client, account: Account) -> None:
    assert as_boss.post(url(Account, "delete", account.pk), {"post": "yes"}).status_code == 403


# --- supervisors ---


def test_a_supervisors_page_shows_rights_per_team_and_lines(as_boss: Client, kim: User) -> None:
    page = as_boss.get(url(Supervisor, "change", kim.pk)).content.decode()
    assert "Billing" in page
    assert "sip:kim@sip.telnyx.com" in page


def test_who_edits_people_cannot_make_administrators_nor_touch_staff(
    client: Client, lena: User, kim: User, boss: User
) -> None:
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["auth", "conferences"]))
    client.force_login(lena)
    form = client.get(url(User, "change", kim.pk)).context["adminform"].form
    assert not {"is_staff", "is_superuser", "groups", "user_permissions"} & set(form.fields)
    for staff in (boss, lena):
        assert client.post(url(User, "change", staff.pk), {}).status_code == 403
        assert client.post(url(Supervisor, "change", staff.pk), {}).status_code == 403
        assert client.post(f"/admin/auth/user/{staff.pk}/password/", {}).status_code == 403


def test_the_sandbox_mark_is_on_every_admin_page(as_boss: Client, settings: Settings) -> None:
    settings.SANDBOX, settings.SANDBOX_PAGE_URL = True, "http://127.0.0.1:9/"
    pages = ["/admin/", url(Team, "add"), url(Team, "add") + "?_popup=1", url(Leg, "changelist")]
    assert all(b"sandbox-mark" in as_boss.get(page).content for page in pages)
    as_boss.logout()
    # The admin has no sign-in page of its own.
    assert b"Sandbox: none of these calls are real." in as_boss.get("/admin/login/", follow=True).content


def test_a_live_admin_wears_no_mark(as_boss: Client, settings: Settings) -> None:
    settings.SANDBOX = False
    assert b"sandbox-mark" not in as_boss.get("/admin/").content


def test_an_account_that_was_never_probed_says_so_and_how(admin_client: Client, account: Account) -> None:
    page = admin_client.get(reverse("admin:conferences_account_change", args=[account.pk])).content.decode()
    assert "not tested: run floorline probe" in page
    assert "Floorline lets nobody listen on this account" in page
    assert 'name="whisper_reaches"' not in page  # the probe's word alone
    assert 'name="max_ears"' in page


def test_a_probed_account_says_when(admin_client: Client, account: Account, now: datetime) -> None:
    Account.objects.update(probed_at=now, whisper_reaches="listed", monitor_harms_call=False)
    page = admin_client.get(reverse("admin:conferences_account_change", args=[account.pk])).content.decode()
    assert "unproven" not in page
    assert "only the chosen legs, whoever joins later" in page
    assert "2026-08-21" in page


# --- Failed webhooks --------------------------------------------------------------------------------------------------


@pytest.fixture
def failed(account: Account, now: datetime) -> WebhookEvent:
    """A webhook that was to begin a conference, and could not be put on the board when it came."""
    return WebhookEvent.objects.create(
        account=account, event_id="late", event_type="conference.created", occurred_at=now, received_at=now,
        conference_telnyx_id="c1", state=WebhookEvent.State.FAILED, problem="ValueError",
        body=event("conference.created", event_id="late", at=now.isoformat(), conference_id="c1"),
    )  # fmt: skip


def try_again(client: Client, *events: WebhookEvent) -> str:
    chosen = {"action": "try_again", "_selected_action": [row.pk for row in events]}
    return client.post(url(WebhookEvent, "changelist"), chosen, follow=True).content.decode()


def test_a_failed_webhook_is_tried_again_and_on_the_board(as_boss: Client, failed: WebhookEvent) -> None:
    assert "1 of 1 failed events are on the board now." in try_again(as_boss, failed)
    failed.refresh_from_db()
    assert (failed.state, failed.problem, failed.attempts) == (WebhookEvent.State.PROJECTED, "", 2)
    assert Conference.objects.get().telnyx_id == "c1"


def test_one_that_fails_again_keeps_its_body_its_problem_and_the_count(
    as_boss: Client, failed: WebhookEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choking(*_seen: object) -> None:
        raise ArithmeticError("cannot")

    monkeypatch.setattr("conferences.projection.rebuild.observe", choking)
    for _again in range(2):
        assert "0 of 1 failed events are on the board now." in try_again(as_boss, failed)
    failed.refresh_from_db()
    assert (failed.state, failed.problem, failed.attempts) == (WebhookEvent.State.FAILED, "ArithmeticError", 3)


def test_all_failed_webhooks_are_tried_again_in_batches_between_which_the_intake_has_its_turn(
    as_boss: Client, failed: WebhookEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conferences.projection.rebuild.BATCH", 2)
    for number in range(4):
        failed.pk, failed.event_id, failed.conference_telnyx_id = None, f"late-{number}", f"d{number}"
        failed.body = event("conference.created", event_id=failed.event_id, conference_id=f"d{number}")
        failed.save()
    before, events = changes.current().version, list(WebhookEvent.objects.all())
    with CaptureQueriesContext(connection) as asked:
        told = try_again(as_boss, *events)
    assert "5 of 5 failed events are on the board now." in told
    assert changes.current().version == before + 3
    read = [query["sql"] for query in asked if '"conferences_webhookevent"."body"' in query["sql"]]
    assert len(read) == 4  # the last one finds nothing more
    assert all("LIMIT 2" in sql for sql in read)


def test_what_did_not_fail_is_not_tried_again(as_boss: Client, failed: WebhookEvent) -> None:
    WebhookEvent.objects.update(state=WebhookEvent.State.PROJECTED)
    assert "0 of 0 failed events" in try_again(as_boss, failed)
    assert WebhookEvent.objects.get().attempts == 1
    assert not Conference.objects.exists()


def test_who_may_only_look_at_webhooks_tries_none_again(client: Client, lena: User, failed: WebhookEvent) -> None:
    lena.user_permissions.add(Permission.objects.get(codename="view_webhookevent"))
    client.force_login(lena)
    assert "try_again" not in try_again(client, failed)
    assert not Conference.objects.exists()


# --- The audit --------------------------------------------------------------------------------------------------------


def test_the_audit_takes_no_action_that_it_does_not_know(kim: User, now: datetime) -> None:
    with pytest.raises(ValueError, match="knows no action"):
        audit.record("looked away", at=now, actor=kim)
    audit.record(audit.Action.ENDED, at=now, actor=kim)
    audit.record(command_action(Command.Kind.LEAVE, Command.State.VERIFIED), at=now, actor=kim)
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["ended", "leave verified"]


def test_the_filters_of_the_audit_do_not_read_all_of_it(as_boss: Client, kim: User, lena: User, now: datetime) -> None:
    audit.record(audit.Action.ENDED, at=now, actor=kim, role="whisper")
    with CaptureQueriesContext(connection) as asked:
        page = as_boss.get(url(AuditEntry, "changelist")).content.decode()
    whole = [query["sql"] for query in asked if "DISTINCT" in query["sql"] and '"at"' not in query["sql"]]
    assert whole == []
    assert "?role__exact=whisper" in page
    assert f"?actor__id__exact={kim.pk}" in page
    assert f"?actor__id__exact={lena.pk}" not in page
    for given in ({"role__exact": "whisper"}, {"action__exact": "ended"}, {"actor__id__exact": kim.pk}):
        assert len(as_boss.get(url(AuditEntry, "changelist"), given).context["cl"].result_list) == 1
    for other in ({"role__exact": "barge"}, {"action__exact": "follow"}, {"actor__id__exact": lena.pk}):
        assert len(as_boss.get(url(AuditEntry, "changelist"), other).context["cl"].result_list) == 0


def test_an_entry_about_a_command_tells_its_cause(account: Account, kim: User, now: datetime) -> None:
    command = Command.objects.create(
        account=account, kind=Command.Kind.LEAVE, actor=kim, asked_at=now, cause=Cause.CALL_ENDED
    )
    audit.record("leave asked", at=now, actor=kim, command=command)
    [entry] = AuditEntry.objects.all()
    assert (entry.actor, entry.cause) == (kim, Cause.CALL_ENDED)

"""Several Telnyx accounts: what each is told by the environment, its address, its keys, and when it is not in use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from importlib import import_module
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from nacl.signing import SigningKey
from pytest_django.fixtures import Settings

from conferences.intake.endpoint import Intake
from conferences.models import Account, Conference, WebhookEvent
from conferences.models.account import Feed
from conferences.supervision import account_of
from dashboard.floor.health import floor_health

from .signed import Telnyx, event, public_text
from .test_admin import account_form

KEY, OTHERS_KEY = SigningKey(bytes(range(1, 33))), SigningKey(bytes(range(2, 34)))


@pytest.fixture
def environment(settings: Settings) -> Settings:
    settings.TELNYX_API_KEY = "KEY_from_the_environment"
    settings.TELNYX_PUBLIC_KEYS = [public_text(KEY)]
    settings.TELNYX_CONNECTION_ID = "2781903345512846583"
    settings.TELNYX_FROM_NUMBER = "+18005550199"
    settings.PUBLIC_URL = "https://floor.example.com"
    return settings


@pytest.fixture
def other(account: Account) -> Account:
    """A second account, beside the default one."""
    return Account.objects.create(name="Berlin & Wien")


# --- The default account and the environment ---


def test_the_first_account_alone_is_completed_from_the_environment(
    account: Account, other: Account, environment: Settings
) -> None:
    first, second = account.credentials(), other.credentials()
    assert first.api_key == "KEY_from_the_environment"
    assert (first.ear_connection_id, first.from_number) == ("2781903345512846583", "+18005550199")
    assert (second.api_key, second.public_keys, second.ear_connection_id, second.from_number) == ("", (), "", "")


def test_there_is_one_default_account(account: Account, other: Account) -> None:
    assert [one.is_default for one in (account, other)] == [True, False]
    with pytest.raises(IntegrityError):
        Account.objects.filter(pk=other.pk).update(is_default=True)


def test_a_second_account_that_lacks_something_is_named_and_keeps_nothing_from_starting(
    account: Account, other: Account, environment: Settings
) -> None:
    def told() -> list[str]:
        found = run_checks(tags=["floorline"], include_deployment_checks=True, databases=["default"])
        return [message.msg for message in found if message.id == "floorline.W005"]

    [sentence] = told()
    assert "“Berlin & Wien” lacks its API key, its public key" in sentence
    Account.objects.filter(pk=other.pk).update(is_active=False)
    assert told() == []


def test_an_upgrade_writes_down_what_the_other_accounts_took_from_the_environment(
    account: Account, other: Account, environment: Settings
) -> None:
    environment.FIELD_KEYS = [Fernet.generate_key().decode()]
    Account.objects.create(name="berlin wien", from_number="+4930123456")
    Account.objects.update(slug=None, is_default=False)
    import_module("conferences.migrations.0033_fill_account_addresses").fill(apps, None)
    first, second, third = Account.objects.order_by("pk")
    assert [first.slug, second.slug, third.slug] == ["default", "berlin-wien", "berlin-wien-2"]
    assert [first.is_default, second.is_default, first.api_key] == [True, False, ""]
    assert second.credentials() == first.credentials()
    assert third.from_number == "+4930123456"


def test_an_upgrade_without_field_keys_stores_no_key(account: Account, other: Account, environment: Settings) -> None:
    environment.FIELD_KEYS = []
    Account.objects.update(slug=None, is_default=False)
    import_module("conferences.migrations.0033_fill_account_addresses").fill(apps, None)
    other.refresh_from_db()
    assert (other.api_key, other.from_number) == ("", "+18005550199")


# --- An address of its own ---


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Acme Europe", "acme-europe"), ("日本", "account"), ("default", "default-2"), ("-_-", "account")],
)
def test_an_account_gets_an_address_made_of_its_name(
    account: Account, environment: Settings, name: str, slug: str
) -> None:
    Account.objects.filter(pk=account.pk).update(name="the first")
    made = Account.objects.create(name=name)
    assert made.webhook_url == f"https://floor.example.com/webhooks/telnyx/{slug}/"
    made.name = "renamed"
    made.save()
    made.refresh_from_db()
    assert made.slug == slug


def test_the_admin_shows_the_whole_address(admin_client: Client, other: Account, environment: Settings) -> None:
    page = admin_client.get(reverse("admin:conferences_account_change", args=[other.pk])).content.decode()
    assert "https://floor.example.com/webhooks/telnyx/berlin-wien/" in page
    assert "TELNYX_API_KEY is the default account’s alone" in page
    assert "2781903345512846583" not in page


@pytest.fixture
def intake() -> Iterator[Intake]:
    intake = Intake()
    yield intake
    intake.writer.close()


@pytest.fixture
def telnyx(transactional_db: None, environment: Settings, intake: Intake) -> Telnyx:
    Account.objects.create(name="default")
    Account.objects.create(name="other", public_keys=public_text(OTHERS_KEY))
    return Telnyx(intake, KEY)


def posted(telnyx: Telnyx, where: str, *, key: SigningKey = KEY) -> tuple[int, list[str]]:
    """Post a signed webhook to an address; return the answer, and whose it has become."""
    body = event("call.initiated", event_id=f"e-{where}", call_control_id="v3:leg")
    [status] = telnyx.post(telnyx.signed(body, key=key, path=f"/webhooks/telnyx{where}"))
    return status, list(WebhookEvent.objects.values_list("account__name", flat=True))


@pytest.mark.parametrize(
    ("where", "key", "answered"),
    [
        ("/default/", KEY, (200, ["default"])),
        ("/default/", OTHERS_KEY, (401, [])),
        ("/other/", OTHERS_KEY, (200, ["other"])),
        ("/other", OTHERS_KEY, (200, ["other"])),
        ("/other/", KEY, (401, [])),
        ("/", KEY, (200, ["default"])),
        ("/", OTHERS_KEY, (200, ["other"])),
        ("/nobody/", KEY, (401, [])),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_at_an_accounts_address_its_keys_alone_count_and_at_the_plain_one_every_key(
    telnyx: Telnyx, where: str, key: SigningKey, answered: tuple[int, list[str]]
) -> None:
    assert posted(telnyx, where, key=key) == answered


@pytest.mark.parametrize(("where", "whose"), [("/default/", "default"), ("/other/", "other"), ("/", "default")])
def test_of_two_accounts_with_one_key_each_gets_its_own_and_the_first_what_comes_to_the_plain_address(
    telnyx: Telnyx, where: str, whose: str
) -> None:
    Account.objects.filter(name="other").update(public_keys=public_text(KEY))
    assert posted(telnyx, where) == (200, [whose])


def test_two_keys_of_an_account_are_valid_at_its_address_while_telnyx_rotates_them(telnyx: Telnyx) -> None:
    Account.objects.filter(name="other").update(public_keys=f"{public_text(OTHERS_KEY)}\n{public_text(KEY)}")
    assert [posted(telnyx, "/other/", key=key)[0] for key in (KEY, OTHERS_KEY)] == [200, 200]


def test_a_key_that_is_rotated_in_the_admin_counts_at_once_at_the_address(
    telnyx: Telnyx, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conferences.intake.endpoint.KEYS_SECONDS", 0)
    assert posted(telnyx, "/other/")[0] == 401
    page = reverse("admin:conferences_account_change", args=[Account.objects.get(name="other").pk])
    typed = account_form(name="other", public_keys=f"{public_text(OTHERS_KEY)}\n{public_text(KEY)}")
    assert admin_client.post(page, typed).status_code == 302
    posted(telnyx, "/default/")  # the keys are read beside the traffic, so the next one finds them
    assert posted(telnyx, "/other/")[0] == 200


def test_an_address_of_no_account_is_told_to_staff(telnyx: Telnyx) -> None:
    posted(telnyx, "/nobody/")
    assert dict(telnyx.intake.refusals.counts) == {"address": 1}


# --- Not in use any more ---


def test_the_webhooks_of_an_account_that_is_not_in_use_are_refused(telnyx: Telnyx) -> None:
    Account.objects.filter(name="other").update(is_active=False)
    assert posted(telnyx, "/other/", key=OTHERS_KEY) == (401, [])
    assert posted(telnyx, "/", key=OTHERS_KEY) == (401, [])


def test_an_account_that_is_switched_off_takes_its_calls_from_the_floor_and_is_not_awaited_any_more(
    admin_client: Client, other: Account, now: datetime, django_capture_on_commit_callbacks: Any
) -> None:
    Account.objects.exclude(pk=other.pk).update(feed=Feed.POLLING)
    Account.objects.filter(pk=other.pk).update(feed_stopped_since=now, check_problem="Telnyx does not answer.")
    for account in Account.objects.all():
        Conference.objects.create(account=account, telnyx_id=f"c-{account.pk}", name=account.name, started_at=now)
    page = reverse("admin:conferences_account_change", args=[other.pk])
    with django_capture_on_commit_callbacks(execute=True):
        typed = account_form(name=other.name)
        del typed["is_active"]
        assert admin_client.post(page, typed).status_code == 302
    assert [conference.name for conference in Conference.objects.filter(ended_at=None)] == ["default"]
    beat, _notices = floor_health(now=now)
    assert (beat.feed, beat.stopped, beat.problem) == (Feed.POLLING, None, "")


def test_the_last_account_in_use_cannot_be_switched_off(admin_client: Client, account: Account) -> None:
    typed = account_form()
    del typed["is_active"]
    page = admin_client.post(reverse("admin:conferences_account_change", args=[account.pk]), typed)
    assert b"At least one Telnyx account must be in use" in page.content
    account.refresh_from_db()
    assert account.is_active


# --- Where a phone is rung without a call ---


def test_a_supervisors_account_is_the_one_whose_phone_applications_belong_to_their_teams(
    account: Account, other: Account, kim: User, omar: User
) -> None:
    team = kim.team_memberships.get().team
    assert account_of(kim) == account
    other.connections.create(connection_id="1", role="calls", team=team)
    assert (account_of(kim), account_of(omar)) == (other, account)
    account.connections.create(connection_id="2", role="calls", team=team)
    assert account_of(kim) == account
    Account.objects.filter(pk=account.pk).update(is_active=False)
    assert (account_of(kim), account_of(omar)) == (other, other)

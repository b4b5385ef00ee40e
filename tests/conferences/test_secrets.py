"""Secrets in the database: readable with a key only, and never half-readable."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from conferences.models import Account
from conferences.secrets import stored_secrets
from dashboard.doctor import secrets
from tests.planted import FIELD_KEYS

OLD, MIDDLE, NEW = FIELD_KEYS
SECRET = "KEY0123456789_planted"


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT api_key FROM conferences_account ORDER BY id")
        return str(cursor.fetchone()[0])


@pytest.fixture
def account_with_key(db: None, settings: Settings) -> Account:
    settings.FIELD_KEYS = [OLD]
    return Account.objects.create(name="default", api_key=SECRET)


def test_a_secret_is_unreadable_in_the_database_and_readable_in_python(account_with_key: Account) -> None:
    assert SECRET not in stored()
    assert Account.objects.get().api_key == SECRET


def test_a_secret_stays_out_of_reprs(account_with_key: Account) -> None:
    assert SECRET not in repr(account_with_key) + repr(account_with_key.credentials())


def test_the_wrong_key_raises_and_never_returns_what_is_stored(account_with_key: Account, settings: Settings) -> None:
    settings.FIELD_KEYS = [NEW]
    with pytest.raises(ImproperlyConfigured, match=r"None of the FIELD_KEYS can read Account\.api_key") as refusal:
        Account.objects.get()
    assert stored() not in str(refusal.value)


def test_a_second_key_reads_what_the_first_wrote_and_saving_moves_it_on(
    account_with_key: Account, settings: Settings
) -> None:
    settings.FIELD_KEYS = [NEW, OLD]
    Account.objects.get().save()
    settings.FIELD_KEYS = [NEW]
    assert Account.objects.get().api_key == SECRET


def test_without_a_key_nothing_is_written_and_the_setting_is_named(db: None, settings: Settings) -> None:
    settings.FIELD_KEYS = []
    with pytest.raises(ImproperlyConfigured, match="FIELD_KEYS is needed"), transaction.atomic():
        Account.objects.create(name="default", api_key=SECRET)
    assert not Account.objects.exists()


def test_a_key_that_is_none_is_refused_with_the_mend(db: None, settings: Settings) -> None:
    settings.FIELD_KEYS = ["not-a-key"]
    with pytest.raises(ImproperlyConfigured, match=r"floorline new_field_key"):
        Account.objects.create(name="default", api_key=SECRET)


def test_no_secret_needs_no_key(db: None, settings: Settings) -> None:
    settings.FIELD_KEYS = []
    Account.objects.create(name="default")
    assert Account.objects.get().api_key == ""


def test_new_field_key_prints_one_that_works(db: None, settings: Settings) -> None:
    printed = StringIO()
    call_command("new_field_key", stdout=printed)
    settings.FIELD_KEYS = [printed.getvalue().strip()]
    Account.objects.create(name="default", api_key=SECRET)
    assert Account.objects.get().api_key == SECRET


def rotated() -> str:
    printed = StringIO()
    call_command("rotate_secrets", stdout=printed)
    return printed.getvalue()


def about_secrets() -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in secrets.secrets()]


def test_secrets_are_encrypted_anew_so_that_the_old_key_can_go(account_with_key: Account, settings: Settings) -> None:
    settings.FIELD_KEYS = [NEW, OLD]
    Account.objects.create(name="second", api_key="another")
    Account.objects.create(name="without")
    assert about_secrets() == [("warn", "1 of 2 are under an older key")]
    assert rotated() == "Encrypted anew: 1. Under the newest key already: 1.\n"
    assert about_secrets() == [("ok", "2 in the database, under the newest key")]
    assert rotated() == "Encrypted anew: 0. Under the newest key already: 2.\n"
    settings.FIELD_KEYS = [NEW]
    assert [account.api_key for account in Account.objects.order_by("pk")] == [SECRET, "another", ""]


def test_a_secret_that_no_key_reads_is_named_and_left_and_the_others_are_rotated(
    account_with_key: Account, settings: Settings
) -> None:
    before = stored()
    settings.FIELD_KEYS = [MIDDLE]
    second = Account.objects.create(name="second", api_key="another")
    settings.FIELD_KEYS = [NEW, MIDDLE]
    with pytest.raises(SystemExit, match=rf"can read Account\.api_key of row {account_with_key.pk}\.") as told:
        call_command("rotate_secrets", stdout=StringIO())
    assert SECRET not in str(told.value)
    assert stored() == before
    settings.FIELD_KEYS = [NEW]
    assert Account.objects.get(pk=second.pk).api_key == "another"


def test_a_secret_that_is_changed_meanwhile_is_kept_as_it_was_changed(
    account_with_key: Account, settings: Settings
) -> None:
    settings.FIELD_KEYS = [NEW, OLD]
    [secret] = stored_secrets()
    Account.objects.update(api_key="typed meanwhile")
    assert secret.rotate() is False
    assert Account.objects.get().api_key == "typed meanwhile"

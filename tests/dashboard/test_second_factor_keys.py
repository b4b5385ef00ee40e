"""New keys: second factors work on, go over to the newest key, and outlive the keys before it."""

from __future__ import annotations

from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from pytest_django.fixtures import Settings

from conferences.models import Account
from conferences.secrets import stored_secrets
from dashboard.doctor import secrets
from tests.authenticator import code_of
from tests.dashboard.test_second_factor import CODE, add_app, recovery_codes, signed_in
from tests.planted import FIELD_KEYS

OLD, NEW = FIELD_KEYS[:2]
OLD_SECRET_KEY, NEW_SECRET_KEY = "the one before " * 4, "the one of now " * 4
BOTH_ANEW = "Encrypted anew: 2. Under the newest key already: 0.\n"


@pytest.fixture(autouse=True)
def under_the_old_secret_key(settings: Settings, db: None) -> None:
    settings.FIELD_KEYS, settings.SECRET_KEY, settings.SECRET_KEY_GIVEN = [], OLD_SECRET_KEY, True


def with_app(user: User) -> tuple[str, list[str]]:
    """Give somebody an authenticator app; return its key and the recovery codes."""
    client = signed_in(user)
    return add_app(client), recovery_codes(client)


def answers(user: User, typed: str) -> Client | None:
    """Return somebody's browser, if what they type after the password lets them in."""
    client = signed_in(user)
    return client if client.post(CODE, {"code": typed}).status_code == 302 else None


def rotated() -> str:
    call_command("rotate_secrets", stdout=(said := StringIO()))
    return said.getvalue()


def doctor() -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in secrets.secrets()]


def change_secret_key(settings: Settings) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW_SECRET_KEY, [OLD_SECRET_KEY]


def forget_old_keys(settings: Settings) -> None:
    settings.FIELD_KEYS, settings.SECRET_KEY_FALLBACKS = settings.FIELD_KEYS[:1], []


def test_a_new_secret_key_keeps_second_factors_while_the_one_before_is_known(kim: User, settings: Settings) -> None:
    key, codes = with_app(kim)
    change_secret_key(settings)
    assert answers(kim, code_of(key))
    assert answers(kim, codes[0])


def test_they_outlive_an_old_secret_key(kim: User, settings: Settings) -> None:
    key, codes = with_app(kim)
    change_secret_key(settings)
    assert doctor() == [("warn", "2 of 2 are under an older key")]
    assert rotated() == BOTH_ANEW
    forget_old_keys(settings)
    assert doctor() == [("ok", "2 in the database, under the newest key")]
    assert answers(kim, code_of(key))
    assert answers(kim, codes[0])


@pytest.mark.parametrize("before", [[], [OLD]])
def test_they_go_over_to_a_new_field_key_like_every_secret(kim: User, settings: Settings, before: list[str]) -> None:
    settings.FIELD_KEYS = before
    key, codes = with_app(kim)
    settings.FIELD_KEYS = [NEW, *before]
    Account.objects.create(name="default", api_key="KEY0123456789")
    assert doctor() == [("warn", "2 of 3 are under an older key")]
    assert rotated() == "Encrypted anew: 2. Under the newest key already: 1.\n"
    settings.SECRET_KEY = NEW_SECRET_KEY
    forget_old_keys(settings)
    assert answers(kim, code_of(key))
    assert answers(kim, codes[0])


def test_one_that_no_key_reads_is_named_and_left_and_the_others_go_over(
    kim: User, lena: User, settings: Settings
) -> None:
    with_app(kim)
    before = list(Authenticator.objects.filter(user=kim).values_list("data", flat=True))
    settings.SECRET_KEY = "another " * 8
    key, _codes = with_app(lena)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = ["another " * 8], NEW_SECRET_KEY

    assert doctor() == [("warn", "2 of 4 are read by no key"), ("warn", "2 of 2 are under an older key")]
    with pytest.raises(SystemExit, match=f"second factor of user {kim.pk}, recovery codes of user {kim.pk}") as told:
        rotated()
    assert "kim" not in str(told.value)
    assert list(Authenticator.objects.filter(user=kim).values_list("data", flat=True)) == before
    forget_old_keys(settings)
    assert answers(lena, code_of(key))


def test_an_api_key_that_lacks_its_key_keeps_no_second_factor_from_going_over(kim: User, settings: Settings) -> None:
    settings.FIELD_KEYS = [OLD]
    account = Account.objects.create(name="default", api_key="KEY0123456789")
    settings.FIELD_KEYS = []
    key, _codes = with_app(kim)
    change_secret_key(settings)
    with pytest.raises(SystemExit, match=rf"No key can read Account\.api_key of row {account.pk}\."):
        rotated()
    forget_old_keys(settings)
    assert answers(kim, code_of(key))


def test_a_recovery_code_that_is_used_meanwhile_stays_used(kim: User, settings: Settings) -> None:
    key, codes = with_app(kim)
    change_secret_key(settings)
    app, recovery = stored_secrets()
    assert answers(kim, codes[0])
    assert (app.rotate(), recovery.rotate()) == (True, False)
    assert not answers(kim, codes[0])
    assert rotated() == "Encrypted anew: 1. Under the newest key already: 1.\n"
    forget_old_keys(settings)
    assert not answers(kim, codes[0])
    assert answers(kim, codes[1])
    assert answers(kim, code_of(key))


def test_without_any_key_nothing_is_encrypted_with_one_that_is_forgotten(kim: User, settings: Settings) -> None:
    key, _codes = with_app(kim)
    change_secret_key(settings)
    settings.SECRET_KEY_GIVEN = False
    with pytest.raises(SystemExit, match="Set SECRET_KEY"):
        rotated()
    settings.SECRET_KEY = OLD_SECRET_KEY
    forget_old_keys(settings)
    assert answers(kim, code_of(key))

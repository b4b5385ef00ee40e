"""Wrong settings are refused with their name and the mend."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core import checks
from pytest_django import Settings

from conferences.models import Account
from dashboard.checks import TAG

PUBLIC_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def complete(settings: Settings) -> None:
    """Describe a real account, everything right."""
    settings.SANDBOX = False
    settings.DEBUG = False
    settings.SECRET_KEY_GIVEN = True
    settings.SECRET_KEY = "correct horse battery staple, and then some"
    settings.FIELD_KEYS = []
    settings.PUBLIC_URL = "https://floor.example.com"
    settings.SECURE = True
    settings.ALLOWED_HOSTS = ["floor.example.com"]
    settings.TELNYX_API_KEY = "KEY0123456789"
    settings.TELNYX_PUBLIC_KEYS = [PUBLIC_KEY]
    settings.TELNYX_CONNECTION_ID = "2781903345512846583"
    settings.TELNYX_FROM_NUMBER = "+18005550199"


def found() -> dict[str, str]:
    """Return number → message and mend of what is wrong."""
    problems = checks.run_checks(tags=[TAG], include_deployment_checks=True, databases=["default"])
    return {str(problem.id): f"{problem.msg} {problem.hint}" for problem in problems}


@pytest.mark.django_db
def test_a_complete_environment_is_accepted() -> None:
    assert found() == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "value", "number", "words"),
    [
        ("SECRET_KEY_GIVEN", False, "E001", "SECRET_KEY is missing"),
        ("SECRET_KEY", "secret", "E001", "SECRET_KEY is too short"),
        ("TELNYX_API_KEY", "", "W006", "Not set up yet: TELNYX_API_KEY."),
        ("TELNYX_API_KEY", "KEY 0123", "E002", "TELNYX_API_KEY holds a blank"),
        ("TELNYX_PUBLIC_KEYS", [], "W006", "Not set up yet: TELNYX_PUBLIC_KEY."),
        ("TELNYX_PUBLIC_KEYS", [PUBLIC_KEY, "bm90IGEga2V5"], "E003", "TELNYX_PUBLIC_KEY is not a public key"),
        ("TELNYX_PUBLIC_KEYS", [f"{PUBLIC_KEY[:-2]}!="], "E003", "TELNYX_PUBLIC_KEY is not a public key"),
        ("TELNYX_PUBLIC_KEYS", ["schlüssel"], "E003", "TELNYX_PUBLIC_KEY is not a public key"),
        ("TELNYX_CONNECTION_ID", "", "W006", "Not set up yet: TELNYX_CONNECTION_ID."),
        ("TELNYX_CONNECTION_ID", "my application", "E004", "TELNYX_CONNECTION_ID is not the id"),
        ("TELNYX_FROM_NUMBER", "", "W006", "Not set up yet: TELNYX_FROM_NUMBER."),
        ("TELNYX_FROM_NUMBER", "0800 555 0199", "E005", "+15551230000"),
        ("FIELD_KEYS", ["not-a-key"], "E006", "FIELD_KEYS holds something that is not a key"),
        ("ALLOWED_HOSTS", ["https://floor.example.com"], "E007", "without https://"),
        ("ALLOWED_HOSTS", ["floor.example.com", "floor.example.com:8000"], "E007", "without a port"),
        ("ALLOWED_HOSTS", ["other.example.com"], "E007", "does not allow floor.example.com"),
        ("PUBLIC_URL", "https://floor.example.com/floor", "E008", "PUBLIC_URL names a folder"),
        ("DEBUG", True, "E009", "DEBUG shows settings"),
    ],
)
def test_a_wrong_setting_is_named_with_its_mend(
    settings: Settings, name: str, value: object, number: str, words: str
) -> None:
    setattr(settings, name, value)

    problems = found()

    assert list(problems) == [f"floorline.{number}"]
    assert words in problems[f"floorline.{number}"]
    assert "None" not in problems[f"floorline.{number}"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changed", "number"),
    [
        ({"ALLOWED_HOSTS": ["*"]}, "W001"),
        ({"PUBLIC_URL": "http://localhost:8000", "SECURE": False, "ALLOWED_HOSTS": ["localhost"]}, "W002"),
        ({"PUBLIC_URL": "http://floor.example.com", "SECURE": False}, "W003"),
        ({"TELNYX_API_KEY": ""}, "W006"),
    ],
)
def test_what_is_risky_but_possible_is_only_said(settings: Settings, changed: dict[str, object], number: str) -> None:
    for name, value in changed.items():
        setattr(settings, name, value)

    problems = checks.run_checks(tags=[TAG], include_deployment_checks=True, databases=["default"])

    assert [(problem.id, problem.is_serious()) for problem in problems] == [(f"floorline.{number}", False)]


@pytest.mark.django_db
def test_an_account_in_the_database_needs_no_environment(settings: Settings) -> None:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    Account.objects.create(
        name="Main",
        api_key="KEY0123456789",
        public_keys=PUBLIC_KEY,
        ear_connection_id="2781903345512846583",
        from_number="+18005550199",
    )
    settings.TELNYX_API_KEY = settings.TELNYX_CONNECTION_ID = settings.TELNYX_FROM_NUMBER = ""
    settings.TELNYX_PUBLIC_KEYS = []

    assert found() == {}


@pytest.mark.django_db
def test_a_key_that_cannot_be_read_back_is_refused(settings: Settings) -> None:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    Account.objects.create(name="Main", api_key="KEY0123456789")
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]

    assert "None of the FIELD_KEYS can read" in found()["floorline.E006"]


def test_what_the_environment_lacks_is_no_mistake_while_the_database_is_not_asked(settings: Settings) -> None:
    settings.TELNYX_API_KEY = ""

    assert checks.run_checks(tags=[TAG], include_deployment_checks=True) == []


@pytest.mark.django_db
def test_beside_a_local_telnyx_a_simple_secret_key_is_only_warned_of(settings: Any) -> None:
    settings.SANDBOX, settings.SECRET_KEY = True, "secret"
    assert "W004" in "".join(found())
    assert "E001" not in "".join(found())

"""Checks that pages name the version to staff, and the demo's password only on its own machine."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from dashboard import __version__

PASSWORD = "made-for-this-test"


@pytest.fixture
def demo(settings: Settings) -> Settings:
    """Make these settings those of a demo on loopback."""
    settings.SANDBOX = True
    settings.DEMO_PASSWORD = PASSWORD
    settings.IN_THE_OPEN = False
    settings.ALLOWED_HOSTS = ["*"]
    return settings


def sign_in_page(client: Client, *, host: str = "localhost:8000") -> str:
    return client.get("/accounts/login/", headers={"host": host}).content.decode()


def test_a_demo_on_loopback_says_its_password(client: Client, demo: Settings) -> None:
    assert PASSWORD in sign_in_page(client)


@pytest.mark.parametrize(("name", "value"), [("SANDBOX", False), ("IN_THE_OPEN", True)])
def test_whoever_may_come_from_elsewhere_is_told_no_password(
    client: Client, demo: Settings, name: str, value: object
) -> None:
    setattr(demo, name, value)

    assert PASSWORD not in sign_in_page(client)


def test_a_request_under_a_foreign_name_is_told_no_password(client: Client, demo: Settings) -> None:
    assert PASSWORD not in sign_in_page(client, host="floor.example.com")


@pytest.mark.django_db
def test_staff_read_the_version_on_their_pages(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ada"))

    assert f"Floorline {__version__}" in client.get("/admin/").content.decode()
    assert f"Floorline {__version__}" in client.get("/setup/").content.decode()


@pytest.mark.django_db
def test_nobody_else_does(client: Client) -> None:
    client.force_login(User.objects.create_user("omar"))

    assert f"Floorline {__version__}" not in client.get("/setup/").content.decode()

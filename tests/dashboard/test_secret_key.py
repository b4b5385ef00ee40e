"""A new SECRET_KEY, with the one before in SECRET_KEY_FALLBACKS: nobody is signed out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from conferences import logins

pytestmark = pytest.mark.django_db


@pytest.fixture
def change_key(settings: Settings) -> Callable[..., None]:
    """Return a function that gives the installation another SECRET_KEY."""

    def change(*, keeps_the_old: bool) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if keeps_the_old else []
        settings.SECRET_KEY = "another-" * 8

    return change


def test_a_look_at_a_session_under_the_old_key_signs_nobody_out(
    kim: User, client: Client, change_key: Callable[..., None]
) -> None:
    client.force_login(kim)
    key = Session.objects.get().session_key
    change_key(keeps_the_old=True)
    assert logins.signed_in(key) == kim
    assert set(logins.all_signed_in([key], now=timezone.now())) == {key}
    assert logins.signed_in_among([kim.pk], now=timezone.now()) == {kim.pk}
    assert Session.objects.get().session_key == key
    assert client.get("/ear/").status_code == 200
    assert client.get("/ear/").status_code == 200


def test_without_the_old_key_everybody_signs_in_anew(
    kim: User, client: Client, change_key: Callable[..., None]
) -> None:
    client.force_login(kim)
    change_key(keeps_the_old=False)
    assert logins.signed_in(Session.objects.get().session_key) is None
    assert client.get("/ear/").status_code == 302

"""Every address × everybody × own, other and no team's call × method: generated from the urlconf and the table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from django.test import override_settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings

from conferences.models import AuditEntry

from .asking import ask, assert_as_told, calls_for, expected
from .people import SIGNED_IN, Who, Whose
from .table import READ, TABLE, Row
from .world import FIELD_KEY, World, connect_to_telnyx, new_world, state_of_the_database, undone

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
NEVER = ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")
ROWS = pytest.mark.parametrize("row", TABLE, ids=[row.label for row in TABLE])


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Fill the database once: whatever a test stores in it is undone."""
    hasher = "django.contrib.auth.hashers.MD5PasswordHasher"
    with django_db_blocker.unblock(), undone(), override_settings(FIELD_KEYS=[FIELD_KEY], PASSWORD_HASHERS=[hasher]):
        yield new_world(timezone.now())


@pytest.fixture
def world(filled: World, db: None, settings: Settings) -> World:
    """Return the calls and the people."""
    settings.TELNYX_API_BASE = "http://127.0.0.1/v2"
    connect_to_telnyx()
    return filled


def routes(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from routes(pattern.url_patterns, route)


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    known, told = set(routes(get_resolver().url_patterns)), {row.route for row in TABLE}
    assert known - told == set(), "These routes need a row in tests/dashboard/authorisation/table.py."
    assert told - known == set(), "These rows are about no route."


@ROWS
def test_who_may_is_answered_and_who_may_not_learns_nothing(row: Row, world: World) -> None:
    # That somebody read whole numbers or a body in the admin is noted.
    noted = (AuditEntry,) if row.numbers else ()
    before = state_of_the_database(but=noted)
    for whose, call in calls_for(row, world):
        for who in Who:
            for method in READ:
                answer, text = ask(world, who, row, call, method)
                assert_as_told(row, who, whose, method, answer, text)
    assert state_of_the_database(but=noted) == before, "Reading has changed something."


@pytest.mark.parametrize("row", [row for row in TABLE if not row.is_press], ids=lambda row: row.label)
def test_who_may_not_post_changes_nothing_but_the_audit(row: Row, world: World) -> None:
    before = state_of_the_database(but=(AuditEntry,))
    for whose, call in calls_for(row, world):
        for who in Who:
            with (
                undone()
                if expected(row, who, whose, "POST") in {row.posted, row.done, row.stranger_posted}
                else nullcontext()
            ):
                answer, text = ask(world, who, row, call, "POST")
                assert_as_told(row, who, whose, "POST", answer, text)
    assert state_of_the_database(but=(AuditEntry,)) == before


@ROWS
def test_no_page_is_asked_with_another_method(row: Row, world: World) -> None:
    call = world.calls[Whose.OWN]
    before = state_of_the_database()
    for who in Who:
        for method in NEVER:
            answer, text = ask(world, who, row, call, method)
            assert (answer.status_code, text) == (405, ""), f"{method} {row.label} by {who}"
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert state_of_the_database() == before


@pytest.mark.parametrize("row", [row for row in TABLE if "POST" in row.methods], ids=lambda row: row.label)
def test_nothing_is_taken_from_a_form_of_another_site(row: Row, world: World) -> None:
    before = state_of_the_database()
    for who in SIGNED_IN:
        answer, text = ask(world, who, row, world.calls[Whose.OWN], "POST", checks_forms=True)
        assert answer.status_code == 403, f"{row.label} by {who}: {answer.status_code} {text[:300]}"
    assert state_of_the_database() == before

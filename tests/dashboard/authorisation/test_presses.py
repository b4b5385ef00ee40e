"""Presses, in a database that commits: a command is stored before it is sent."""

from __future__ import annotations

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from conferences.models import AuditEntry, Command

from .asking import ask, assert_as_told, calls_for, expected
from .people import Who
from .table import TABLE, Row
from .world import FIELD_KEY, connect_to_telnyx, new_world, state_of_the_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("row", [row for row in TABLE if row.is_press], ids=lambda row: row.label)
def test_who_may_press_is_obeyed_and_nothing_is_sent_for_anybody_else(row: Row, settings: Settings) -> None:
    settings.FIELD_KEYS = [FIELD_KEY]
    settings.TELNYX_API_BASE = "http://127.0.0.1/v2"
    world = new_world(timezone.now())
    connect_to_telnyx()
    sent = Command.objects.count()
    for whose, call in calls_for(row, world):
        for who in Who:
            before = state_of_the_database(but=(AuditEntry,))
            answer, text = ask(world, who, row, call, "POST")
            assert_as_told(row, who, whose, "POST", answer, text)
            if expected(row, who, whose, "POST") != row.done:
                assert state_of_the_database(but=(AuditEntry,)) == before, f"{row.label} by {who} about {whose}"
    if row.about_call:
        assert Command.objects.count() > sent

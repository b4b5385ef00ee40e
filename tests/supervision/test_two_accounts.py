"""A supervisor between two Telnyx accounts, each with a sandbox of its own."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from conferences.clients import client_for
from conferences.models import Account, Ear
from conferences.models.supervision import Role
from conferences.sandbox.telephony.world import World
from conferences.supervision import Refused, connect, disconnect, live_ear
from conferences.supervision.sessions import open_session

from .conftest import Call, Floor, InProcess, new_api, session_to


@pytest.fixture
def other(floor: Floor, settings: Settings) -> Floor:
    """The second account's sandbox, at the same time as the first one's."""
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    account = Account.objects.create(
        name="other", api_key="sandbox-test-key", ear_connection_id="2781903345512846583", from_number="+18005550188"
    )
    world = World(seed=8, now=floor.world.now, webhook_url="http://127.0.0.1/webhooks")  # with ids of its own
    other = Floor(world=world, api=new_api(world), account=account, travel=floor.travel)
    client_for(account, session=session_to(InProcess(other)))
    return other


@pytest.fixture
def calls(floor: Floor, other: Floor) -> tuple[Call, Call]:
    """One call on each account."""
    theirs, ours = other.call(), floor.call()
    return ours, theirs


def test_a_call_of_another_account_is_refused_in_a_sentence_and_the_line_stays_where_it_is(
    floor: Floor, other: Floor, calls: tuple[Call, Call], kim: User
) -> None:
    ours, theirs = calls
    session = ours.bring_in(kim)
    with pytest.raises(Refused, match="Hang it up, then press again"):
        theirs.choose(kim, Role.MONITOR)
    still = open_session(kim)
    assert still is not None
    assert (still.pk, still.stage) == (session.pk, "inside")
    assert (floor.sent("/leave"), other.sent("/calls")) == ([], [])


def test_once_hung_up_the_line_is_rung_on_the_account_of_the_chosen_call(
    floor: Floor, other: Floor, calls: tuple[Call, Call], kim: User
) -> None:
    _ours, theirs = calls
    first = connect(user=kim, now=floor.now)
    floor.wait(20, until=lambda: Ear.objects.get(pk=first.pk).state == Ear.State.CONNECTED)
    with pytest.raises(Refused, match="another Telnyx account"):
        theirs.choose(kim, Role.MONITOR)
    disconnect(user=kim, now=floor.now)
    floor.wait(10, until=lambda: live_ear(kim) is None)
    floor.wait(3)  # whoever leaves may mean a press of another page a moment later, too
    other.world.advance(floor.world.now)
    theirs.bring_in(kim)
    [ours_rang], [theirs_rang] = floor.sent("/calls"), other.sent("/calls")
    assert first.account == floor.account
    assert ours_rang["webhook_url"].endswith("/webhooks/telnyx/default/")
    assert theirs_rang["webhook_url"].endswith("/webhooks/telnyx/other/")
    assert theirs_rang["from"] == "+18005550188"


def test_lines_are_hung_up_when_their_account_is_switched_off(
    floor: Floor, calls: tuple[Call, Call], kim: User
) -> None:
    ours, _theirs = calls
    session = ours.bring_in(kim)
    Account.objects.filter(pk=floor.account.pk).update(is_active=False)
    floor.wait(20, until=lambda: live_ear(kim) is None)
    assert ours.who_hears(session) == set()
    with pytest.raises(Refused, match="not in use any more"):
        ours.choose(kim, Role.MONITOR)

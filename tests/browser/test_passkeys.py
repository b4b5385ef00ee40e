"""A person adds a passkey, signs in with it alone and as the second factor after a password, and removes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Floor, Invite, Visitor, database_of
from tests.browser.test_pages import assert_accessible
from tests.browser.test_second_factor import sign_out, type_password

HERS = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Keys:
    """The machine's own keeper of passkeys, as Chromium plays it."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")
        self._id = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": HERS})["authenticatorId"]

    def refuse(self) -> None:
        """Let the finger be another person's from now on."""
        self._session.send("WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": False})

    def accept(self) -> None:
        self._session.send("WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": True})


@pytest.fixture
def omar(invite: Invite, floor: Floor) -> Iterator[Visitor]:
    yield invite(None)
    with database_of(floor) as database:
        database.execute("DELETE FROM mfa_authenticator")


def told(floor: Floor) -> list[str]:
    with database_of(floor) as database:
        rows = database.execute("SELECT action FROM conferences_auditentry ORDER BY id DESC LIMIT 3")
        return [action for (action,) in rows]


def test_a_passkey_signs_in_alone_and_is_the_second_factor_of_a_password(omar: Visitor, floor: Floor) -> None:
    page = omar.visit("/accounts/login/").page
    keys = Keys(page)
    type_password(page)
    page.goto(f"{omar.url}/accounts/second-factor/")
    page.get_by_role("link", name="Add a passkey").click()
    assert_accessible(page, "adding")
    page.get_by_label("What you call it").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.goto(f"{omar.url}/accounts/second-factor/")
    expect(page.get_by_role("listitem").filter(has_text="Laptop")).to_be_visible()
    assert_accessible(page, "the list")

    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_title("Floor · Floorline")
    assert told(floor)[:2] == ["signed in", "second factor used"]

    sign_out(page)
    type_password(page)
    expect(page.get_by_role("heading", name="Your second factor")).to_be_visible()
    assert_accessible(page, "the second factor")
    keys.refuse()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("That did not work.")).to_be_visible()
    keys.accept()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_title("Floor · Floorline")

    page.goto(f"{omar.url}/accounts/second-factor/")
    page.get_by_role("link", name="Remove Laptop").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("link", name="Add a passkey")).to_be_visible()
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    # The machine still has it: only Floorline knows it no longer.
    expect(page.get_by_text("This passkey is not known here.")).to_be_visible()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "sign-in failed" in told(floor)

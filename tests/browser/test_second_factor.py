"""A person adds an authenticator app, and signs in with it, and without it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.authenticator import code_of
from tests.browser.conftest import PASSWORD, Invite
from tests.browser.test_pages import assert_accessible


def type_password(page: Page) -> None:
    page.get_by_label("User name").fill("omar")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.locator("details.user:not(.views) > summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def type_code(page: Page, code: str, button: str) -> None:
    page.get_by_role("textbox", name="Code").fill(code)
    page.get_by_role("button", name=button).click()


def test_an_app_is_added_asked_for_and_replaced_by_a_recovery_code(invite: Invite) -> None:
    visitor = invite(None)
    page = visitor.visit("/accounts/login/").page
    type_password(page)
    page.locator("details.user:not(.views) > summary").click()
    page.get_by_role("link", name="Second factor").click()
    page.get_by_role("link", name="Add an authenticator app").click()
    expect(page.locator(".qr path")).to_be_visible()
    box = page.locator(".qr").bounding_box()
    assert box
    assert box["width"] == box["height"] == 180
    assert_accessible(page, "adding")
    key = page.locator("code.key").inner_text()

    type_code(page, code_of(key), "Use this app from now on")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    codes = re.findall(r"\d{8}", page.locator("main").inner_text())
    assert len(codes) == 10
    assert_accessible(page, "recovery codes")

    sign_out(page)
    type_password(page)
    type_code(page, "000000", "Sign in")
    expect(page.get_by_role("alert")).to_contain_text("This code is not valid")
    type_code(page, code_of(key), "Sign in")
    expect(page).to_have_title("Floor · Floorline")

    sign_out(page)
    type_password(page)
    type_code(page, codes[0], "Sign in")
    expect(page).to_have_title("Floor · Floorline")

    page.goto(f"{visitor.url}/accounts/second-factor/remove/")
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("link", name="Add an authenticator app")).to_be_visible()

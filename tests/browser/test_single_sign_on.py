"""A person signs in by an issuer of another origin: from the button, there, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.servers import free_port
from tests.browser.conftest import Visitor, open_floor
from tests.browser.test_pages import assert_accessible
from tests.browser.test_second_factor import sign_out
from tests.issuer import CLIENT_ID, CLIENT_SECRET, LoopbackIssuer, running_issuer
from tests.tooling.conftest import starting


@pytest.fixture
def issuer() -> Iterator[LoopbackIssuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def visitor(chromium: Browser, tmp_path: Path, issuer: LoopbackIssuer) -> Iterator[Visitor]:
    """Return a browser of somebody whose floor knows the issuer."""
    known = {
        "OIDC_ISSUER": issuer.url,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "OIDC_NAME": "Company account",
    }
    with starting(tmp_path) as start:
        floor = open_floor(tmp_path, start, port=free_port(), more=known)
        with chromium.new_context() as context:
            yield Visitor(context, floor.url)
        assert "Traceback" not in floor.processes.said(), floor.processes.said()
        assert CLIENT_SECRET not in floor.processes.said()


def test_the_button_leads_to_the_issuer_and_back_to_the_page_that_was_wanted(
    visitor: Visitor, issuer: LoopbackIssuer
) -> None:
    page = visitor.visit("/ear/").page
    assert_accessible(page, "signing in")
    page.get_by_role("button", name="Sign in by Company account").click()
    expect(page).to_have_url(f"{visitor.url}/ear/")
    assert len(issuer.asked) == 1

    sign_out(page)
    issuer.claims["preferred_username"] = "nobody"
    page.get_by_role("button", name="Sign in by Company account").click()
    expect(page.get_by_text("You are not known here by the name that you have there.")).to_be_visible()
    assert_accessible(page, "refused")
    assert visitor.complaints == []

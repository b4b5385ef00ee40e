"""Checks that a refusal of Telnyx is said in words, and that nothing on the screen claims otherwise."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.sandbox import KIMS_PHONE, Sandbox
from tests.browser.screen import VERIFIED

REFUSALS = [
    (401, "10009", "Telnyx refuses the API key. Ask an admin to check it."),
    (404, "10005", "Telnyx no longer knows this call. It has probably ended."),
    (422, "90015", "Your phone is no longer connected. Press Monitor to connect it again."),
    (422, "90018", "Your phone has hung up. Press Monitor to connect it again."),
    (422, "90019", "This call has ended."),
    (422, "90034", "You have not picked up your phone yet. Pick up and try again."),
    (422, "90044", "Your phone is already in this call."),
    (429, "10011", "Telnyx received too many requests. Wait a few seconds and try again."),
]


@pytest.mark.parametrize(("status", "code", "sentence"), REFUSALS, ids=lambda value: str(value)[:12])
def test_a_refused_whisper_is_said_and_changes_nothing(
    kim: Visitor, sandbox: Sandbox, status: int, code: str, sentence: str
) -> None:
    call = sandbox.script(f"Billing-{code}")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    sandbox.fault(status=status, code=code)

    screen.role("Whisper").click()

    expect(screen.refusal).to_have_text(sentence)
    expect(screen.role("Monitor")).to_have_attribute("aria-pressed", "true")
    expect(screen.role("Whisper")).to_have_attribute("aria-pressed", "false")
    expect(screen.audience).to_contain_text("Nobody hears you. You hear everyone.")
    expect(screen.ear).to_contain_text("Monitor")
    expect(screen.audience).not_to_contain_text(VERIFIED)
    assert sandbox.hearing(call) == set()
    kim.forgive(r"status of 422 .*/role/")


def test_a_refusal_ends_with_what_it_was_about(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-ends")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    sandbox.fault(status=422, code="90034")
    screen.role("Whisper").click()
    expect(screen.refusal).to_contain_text("You have not picked up your phone yet.")

    sandbox.join(call, agent="Max Falk")

    expect(screen.refusal).to_be_empty(timeout=15_000)
    expect(screen.audience).to_contain_text(VERIFIED, timeout=40_000)
    expect(screen.audience).not_to_contain_text("You have not picked up your phone yet.")
    kim.forgive(r"status of 422 .*/role/")


def test_a_refusal_ends_by_itself(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-while")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    sandbox.fault(status=429, code="10011")
    screen.role("Whisper").click()
    expect(screen.refusal).to_contain_text("Wait a few seconds")

    expect(screen.refusal).to_be_empty(timeout=30_000)
    expect(screen.audience).to_contain_text(VERIFIED, timeout=40_000)
    kim.forgive(r"status of 422 .*/role/")


@pytest.mark.parametrize("fault", [{"status": 500, "code": "10007"}, {"drop": True}], ids=["500", "no answer"])
def test_a_whisper_without_an_answer_ends_as_monitor_and_is_told_as_doubt_as_long_as_it_may_still_be_executed(
    kim: Visitor, sandbox: Sandbox, fault: dict[str, object]
) -> None:
    call = sandbox.script("Billing-doubt")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    sandbox.fault(times=1, **fault)

    screen.role("Whisper").click()

    expect(screen.audience).to_contain_text("Ana Ruiz may hear you.")
    expect(screen.role("Whisper")).to_have_attribute("aria-pressed", "false")
    expect(screen.role("Monitor")).to_have_attribute("data-state", "unknown")
    expect(screen.audience).to_contain_text("An earlier press may still take effect.")
    assert sandbox.hearing(call) == set()
    expect(screen.audience).to_contain_text("Careful: Ana Ruiz may hear you.")


def test_a_whisper_that_was_executed_without_an_answer_is_found_by_reading_back(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-lost")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    sandbox.fault(times=1, drop=True, when="after")

    screen.role("Whisper").click()

    screen.verified("Whisper")
    expect(screen.audience).to_contain_text("Only Ana Ruiz hears you.")
    assert sandbox.hearing(call) == {"Ana Ruiz"}


def test_leave_works_although_telnyx_answers_nothing_at_first(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-stop")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    screen.role("Whisper").click()
    screen.verified("Whisper")
    sandbox.fault("/conferences/*/actions/leave", times=1, drop=True)

    screen.leave.click()

    expect(screen.ear).to_contain_text("connected, not in a call")
    assert sandbox.hearing(call) is None


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [("busy", "Your phone is busy."), ("not_registered", "Your phone could not be reached.")],
)
def test_a_line_that_does_not_answer_is_said(kim: Visitor, sandbox: Sandbox, behaviour: str, sentence: str) -> None:
    call = sandbox.script("Billing-line")
    sandbox.order("/phones", address=KIMS_PHONE, behaviour=behaviour)
    screen = kim.visit()
    screen.see(call.name)

    screen.row(call.name).get_by_role("button", name="Monitor").click()

    expect(screen.page.locator("body")).to_contain_text(sentence)
    expect(screen.ear).to_contain_text("Phone not connected")
    assert sandbox.hearing(call) is None


TOO_MANY = "Telnyx received too many requests. Wait a few seconds and try again."


@pytest.mark.parametrize("path", ["/setup/", "/accounts/password/", "/ear/small/", "/ear/", "/"])
def test_a_refusal_to_ring_the_phone_is_said_on_every_page(kim: Visitor, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("/calls", status=429, code="10011")
    screen = kim.visit(path)

    screen.ear.get_by_role("button", name="Connect").click()

    expect(screen.refusal).to_have_text(TOO_MANY)
    expect(screen.refusal).to_be_visible()
    expect(screen.ear).to_contain_text("Phone not connected")
    kim.forgive(r"status of 422 .*/ear/connect/")


def test_a_barge_that_was_refused_does_not_spare_the_second_press(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-no-barge")
    screen = kim.visit()
    screen.monitor(call.name)
    sandbox.fault(status=422, code="90034")
    screen.barge()
    expect(screen.refusal).to_contain_text("You have not picked up your phone yet.")

    screen.role("Barge").click()

    expect(screen.page.locator("#about-barge")).to_contain_text("will hear you")
    assert sandbox.hearing(call) == set()
    kim.forgive(r"status of 422 .*/role/")

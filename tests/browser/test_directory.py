"""An administrator imports agents from a file: the errors first, then the mended file."""

from __future__ import annotations

from playwright.sync_api import FilePayload, expect

from tests.browser.conftest import Floor, Invite, database_of

HEADINGS = "name;team;SIP credential;number;reference"
WRONG = ["Zoe Lind;Billing;gencredZoe;;zoe", "Yan Ode;Sails;gencredYan;;yan", "Xia Wu;Billing;;12345;xia"]


def file(*rows: str) -> FilePayload:
    return {"name": "agents.csv", "mimeType": "text/csv", "buffer": "\r\n".join([HEADINGS, *rows]).encode()}


def test_a_wrong_file_is_told_row_by_row_and_the_mended_one_is_imported(invite: Invite, floor: Floor) -> None:
    page = invite("admin").visit("/admin/conferences/team/").page
    page.get_by_role("link", name="Import and export").click()
    page.get_by_role("link", name="Agents", exact=True).last.click()
    page.get_by_label("CSV or XLSX").set_input_files(file(*WRONG))
    page.get_by_role("button", name="Look at it first").click()
    expect(page.get_by_text("There is no team “Sails”.")).to_be_visible()
    expect(page.get_by_text("2 rows are wrong.")).to_be_visible()
    expect(page.get_by_role("button", name="Import all of it")).to_have_count(0)

    page.get_by_label("CSV or XLSX").set_input_files(file(WRONG[0]))
    page.get_by_role("button", name="Look at it first").click()
    page.get_by_role("button", name="Import all of it").click()
    expect(page.locator(".messagelist .success")).to_contain_text("Imported: 1 new, 0 changed.")
    with database_of(floor) as database:
        assert database.execute("DELETE FROM conferences_agent WHERE name = 'Zoe Lind'").rowcount == 1

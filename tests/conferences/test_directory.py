"""Files of teams, agents, supervisors and phones: exported, previewed, imported as a whole or not at all."""

from __future__ import annotations

import csv
import io
from base64 import b64encode
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import Workbook, load_workbook

from conferences.intake.store import Received, store
from conferences.models import Account, Agent, AuditEntry, Line, Team

from .signed import event

CALLS = "2781903345512846337"
DIRECTORY = "/admin/conferences/team/directory/"
AGENTS = "name,team,SIP credential,number,reference"


@pytest.fixture
def as_boss(client: Client, admin_user: User) -> Client:
    client.force_login(admin_user)
    return client


@pytest.fixture
def as_lena(client: Client, lena: User) -> Client:
    """Sign in Lena with every permission; in Billing she may monitor, and leads."""
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["conferences", "auth"]))
    client.force_login(lena)
    return client


class Page:
    """A page of files once a file was chosen."""

    def __init__(self, client: Client, kind: str, file: bytes | str) -> None:
        self._client, self._address = client, f"{DIRECTORY}{kind}/"
        content = file if isinstance(file, bytes) else file.encode()
        self._show(client.post(self._address, {"file": SimpleUploadedFile("file.csv", content)}))

    def _show(self, answer: Any) -> None:
        assert answer.status_code == 200
        self.context, self.text = answer.context, unescape(answer.content.decode())

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Return the numbers of rows that are new, changed, unchanged and wrong."""
        return tuple(self.context[one] for one in ("new", "changed", "unchanged", "wrong"))

    @property
    def wrong(self) -> dict[int, str]:
        """Return what is wrong, by the number of the row in the file."""
        return {
            number: "; ".join(f"{heading}: {' '.join(sentences)}" for heading, sentences in errors)
            for number, errors in self.context["wrong_rows"]
        }

    def confirm(self) -> bool:
        """Press the button below the preview; return whether that was the end of it."""
        answer = self._client.post(self._address, {"rows": self.context["rows"]})
        if answer.status_code == 200:
            self._show(answer)
        return answer.status_code == 302


def exported(client: Client, kind: str, form: str = "csv") -> bytes:
    answer = client.post(f"{DIRECTORY}{kind}/export/", {"format": form})
    assert answer.status_code == 200
    assert "attachment" in answer.headers["Content-Disposition"]
    return answer.content


def xlsx(*rows: list[Any]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(file)
    return file.getvalue()


def details(action: str) -> list[str]:
    return list(AuditEntry.objects.filter(action=action).order_by("pk").values_list("detail", flat=True))


# --- Preview and import -----------------------------------------------------------------------------------------------


def test_a_preview_says_what_is_new_changed_unchanged_and_wrong_and_stores_nothing(
    as_boss: Client, billing: Team, ana: Agent, max_falk: Agent
) -> None:
    rows = [
        "Ana Ruiz,Billing,gencredAna,,ana",
        "Maximilian Falk,Billing,gencredMax,,max",
        "Zoe Lind,Billing,,+15550100001,",
        "Nobody,Sales,gencredNo,,",
        ",Billing,gencredNameless,,",
        "Markless,Billing,,,",
    ]
    page = Page(as_boss, "agents", "\n".join([AGENTS, *rows]))
    assert page.counts == (1, 1, 1, 3)
    assert page.wrong == {
        5: "team: There is no team “Sales”. Import or add it first.",
        6: "name: This field is required.",
        7: "__all__: Give a SIP credential, a number or a reference. Floorline recognises the agent's calls by it.",
    }
    assert "Max Falk → Maximilian Falk" in " ".join(page.text.split())
    assert "Import all of it" not in page.text
    assert Agent.objects.count() == 2


def test_a_confirmed_preview_is_stored_as_a_whole_and_told_in_audit_and_history(
    as_boss: Client, billing: Team, ana: Agent
) -> None:
    page = Page(as_boss, "agents", f"{AGENTS}\nAna Maria Ruiz,Billing,gencredAna,,ana\nZoe Lind,billing,,+15550100001,")
    assert page.confirm()
    assert set(Agent.objects.values_list("name", "team__name")) == {
        ("Ana Maria Ruiz", "Billing"),
        ("Zoe Lind", "Billing"),
    }
    assert details("directory imported") == ["1 new and 1 changed agents"]
    history = as_boss.get(f"/admin/conferences/agent/{ana.pk}/history/").content.decode()
    assert "Imported from a file." in history


def test_what_was_right_in_the_preview_and_is_wrong_by_now_stores_nothing(as_boss: Client, billing: Team) -> None:
    page = Page(as_boss, "agents", f"{AGENTS}\nZoe,Billing,gencredZoe,,\nYan,Billing,gencredYan,,")
    Agent.objects.create(name="Somebody", team=billing, sip_username="gencredOther", reference="gone")
    Team.objects.create(name="Other")
    Team.objects.filter(pk=billing.pk).update(name="Renamed")
    assert not page.confirm()
    assert "Something has changed since the preview." in page.text
    assert page.counts == (0, 0, 0, 2)
    assert not Agent.objects.filter(name="Zoe").exists()


def test_nobody_confirms_rows_that_were_not_previewed(as_boss: Client, billing: Team) -> None:
    page = Page(as_boss, "agents", f"{AGENTS}\nZoe,Billing,gencredZoe,,")
    page.context = {"rows": f"{page.context['rows']}x"}
    assert not page.confirm()
    assert "Choose the file again." in page.text
    assert not Agent.objects.exists()


@pytest.mark.slow
def test_five_hundred_agents_with_errors_take_few_statements_each_and_one_recognition(
    as_boss: Client, billing: Team, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    recognised: list[int] = []
    monkeypatch.setattr("conferences.admin.directory.pages.recognise_everywhere", lambda: recognised.append(1))
    rows = [f"Agent {number},Billing,gencred{number},,ref-{number}" for number in range(500)]
    wrong = {10: "Agent,Billing,gencred3,,", 250: "Agent,Sales,gencredX,,", 499: "Agent,Billing,,12345,"}
    broken = [wrong.get(number, row) for number, row in enumerate(rows)]
    with CaptureQueriesContext(
        connection,
    ) as asked:
        page = Page(as_boss, "agents", "\n".join([AGENTS, *broken]))
    assert page.counts == (497, 0, 0, 3)
    assert set(page.wrong) == {12, 252, 501}
    assert "Row 5 says the same." in page.wrong[12]
    assert len(asked) < 500 * 3
    page = Page(as_boss, "agents", "\n".join([AGENTS, *rows]))
    with CaptureQueriesContext(connection) as asked, django_capture_on_commit_callbacks(execute=True):
        assert page.confirm()
    assert len(asked) < 500 * 6
    assert (Agent.objects.count(), recognised) == (500, [1])
    with CaptureQueriesContext(connection) as asked:
        assert Page(as_boss, "agents", exported(as_boss, "agents")).counts == (0, 0, 500, 0)
    assert len(asked) < 40


# --- Files that are none ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"", "The submitted file is empty|The file is empty"),
        (b"\n\n", "The file is empty. Its first row must be the headings."),
        (b"\x89PNG\r\n\x1a\n\xff\xff", "This is neither an XLSX file nor CSV in UTF-8."),
        ("name,team\nJörg,Billing".encode("latin-1"), "In Excel, save it as “CSV UTF-8”."),
        (b"\xd0\xcf\x11\xe0rest", "This is an XLS file of an old Excel. Save it as XLSX"),
        (b"PK\x03\x04nonsense", "This XLSX file cannot be read."),
        (b'name,team\n"Ana,Billing', "Line 2 of the CSV file cannot be read: look at its quotation marks."),
        (b"name;reference\nAna;ana", "There is no column team. The headings of the first row are: name, team, SIP"),
        (b"name,team,Name\nAna,Billing,x", "Two columns have the same heading."),
        (b"name,team\nAna,Billing,more", "Row 2 has more cells than the headings."),
        (b"name,team\n" + b"Ana,Billing\n" * 1001, "The file has 1001 rows. Divide it into files of at most 1000."),
        (b"name,team\n" + b"x" * 600_000, "The file has more than 512 KB. Divide it."),
    ],
    ids=[
        "nothing",
        "blank lines",
        "picture",
        "latin-1",
        "xls",
        "broken zip",
        "quote",
        "column",
        "twice",
        "cells",
        "rows",
        "size",
    ],
)
def test_a_file_that_cannot_be_taken_gets_a_sentence(as_boss: Client, file: bytes, sentence: str) -> None:
    page = Page(as_boss, "agents", file)
    assert any(part in page.text for part in sentence.split("|"))
    assert "Import all of it" not in page.text


@pytest.mark.parametrize(
    "file",
    [
        b"\xef\xbb\xbfName;Team;SIP credential\r\nJ\xc3\xb6rg;Billing;gencredJ\r\n",
        "sep=;\nname;team;sip CREDENTIAL\nJörg;Billing;gencredJ".encode(),
        "name\tteam\tSIP credential\nJörg\tBilling\tgencredJ".encode("utf-16"),
        xlsx(["name", "team", "SIP credential", None], ["Jörg", "Billing", "gencredJ"], [None, None, None]),
    ],
    ids=["german excel", "sep", "utf-16", "xlsx"],
)
def test_a_table_is_read_however_a_spreadsheet_saved_it(as_boss: Client, billing: Team, file: bytes) -> None:
    assert Page(as_boss, "agents", file).confirm()
    assert Agent.objects.get().name == "Jörg"


@pytest.mark.parametrize(
    "file", [f'{AGENTS}\n"=HYPERLINK(1)",Billing,g,,', xlsx(AGENTS.split(","), ["=1+1", "Billing", "g"])]
)
def test_a_formula_is_refused(as_boss: Client, billing: Team, file: bytes | str) -> None:
    assert Page(as_boss, "agents", file).wrong == {2: "name: This looks like a formula. Write the value itself."}


def test_an_xlsx_file_that_unfolds_to_gigabytes_is_refused(as_boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conferences.spreadsheets.MOST_UNPACKED_BYTES", 100)
    page = Page(as_boss, "agents", xlsx(["name", "team"]))
    assert "The XLSX file is too large once it is unpacked." in page.text


def test_two_rows_about_the_same_agent_or_mark_are_both_told(as_boss: Client, billing: Team, ana: Agent) -> None:
    rows = [
        "Ana R,Billing,gencredAna,,ana",
        "Ana,Billing,gencredAna,,",
        "Zoe,Billing,gencredZoe,,",
        "Yan,Billing,GENCREDZOE,,",
    ]
    page = Page(as_boss, "agents", "\n".join([AGENTS, *rows]))
    assert page.wrong == {3: "__all__: Row 2 is about the same one.", 5: "SIP credential: Row 4 says the same."}


# --- Export -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("kind", ["teams", "agents", "supervisors", "phones"])
def test_an_export_can_be_imported_again_holds_no_formula_and_is_audited(
    as_boss: Client, billing: Team, kim: User, kind: str, form: str
) -> None:
    Agent.objects.create(name="Zoe", team=billing, number="+15550100001")
    Line.objects.create(user=kim, label="+Mobile", address="+15550100002")
    file = exported(as_boss, kind, form)
    new, changed, unchanged, wrong = Page(as_boss, kind, file).counts
    assert (new, changed, wrong) == (0, 0, 0)
    assert details("directory exported") == [f"{unchanged} {kind} as {form}"]
    cells = (
        [str(cell.value) for row in load_workbook(io.BytesIO(file)).worksheets[0] for cell in row]
        if form == "xlsx"
        else file.decode("utf-8-sig").replace('"', "").replace("\r\n", ",").split(",")
    )
    assert [cell for cell in cells if cell[:1] in set("=+-@")] == []


@pytest.mark.parametrize("kind", ["teams", "agents", "supervisors", "phones"])
def test_the_example_of_each_kind_is_one_that_can_be_imported(
    as_boss: Client, billing: Team, kim: User, kind: str
) -> None:
    example = as_boss.get(f"{DIRECTORY}{kind}/template/").content
    shown = as_boss.get(f"{DIRECTORY}{kind}/").content.decode()
    cells = example.decode("utf-8-sig").splitlines()[1].replace('"', "").split(",")
    assert all(f"<td>{cell}</td>" in shown for cell in cells)
    assert Page(as_boss, kind, example).counts[3] == 0


# --- Supervisors and phones -------------------------------------------------------------------------------------------

RIGHTS = "user name,first name,team,may monitor,may whisper,may barge,may see numbers,lead"


def test_supervisors_are_made_without_a_password_and_their_rights_are_audited(
    as_boss: Client, billing: Team, kim: User
) -> None:
    Team.objects.create(name="Sales")
    rows = ["zoe,Zoe,Billing,yes,yes,no,no,no", "zoe,Zoe,Sales,yes,no,no,no,yes", "kim,Kim,Billing,yes,yes,no,no,no"]
    password = kim.password
    assert Page(as_boss, "supervisors", "\n".join([RIGHTS, *rows])).confirm()
    zoe = User.objects.get(username="zoe")
    assert (zoe.has_usable_password(), zoe.is_staff, zoe.is_active) == (False, False, True)
    assert set(zoe.team_memberships.values_list("team__name", "may_whisper", "is_lead")) == {
        ("Billing", True, False), ("Sales", False, True),
    }  # fmt: skip
    assert details("rights changed") == [
        "zoe in Billing: gained may see, may monitor, may whisper, may write notes",
        "zoe in Sales: gained may see, may monitor, may write notes, lead",
        "kim in Billing: lost may barge",
    ]
    assert User.objects.get(username="kim").password == password


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            "lena,Lena,Billing,yes,yes,yes,yes,yes",
            "user name: “lena” is staff, whom no file changes. Do it on their page.",
        ),
        ("Kim,Kim,Billing,yes,no,no,no,no", "user name: There is such a user name in other capitals. Write it so."),
        ("zoe,Zoe,Sales,yes,no,no,no,no", "team: There is no team “Sales”. Import or add it first."),
        ("zoe,Zoe,,yes,no,no,no,no", "team: This field is required."),
        ("zoe,Zoe,Billing,maybe,no,no,no,no", "may monitor: Write yes or no."),
        ("z o e,Zoe,Billing,yes,no,no,no,no", "user name: Enter a valid username."),
    ],
    ids=["staff", "capitals", "no such team", "no team", "maybe", "name"],
)
def test_a_wrong_row_of_a_supervisor_is_told(as_boss: Client, kim: User, lena: User, row: str, sentence: str) -> None:
    assert Page(as_boss, "supervisors", f"{RIGHTS}\n{row}").wrong[2].startswith(sentence)


def test_rows_that_call_one_person_two_names_are_told(as_boss: Client, billing: Team) -> None:
    Team.objects.create(name="Sales")
    page = Page(as_boss, "supervisors", "user name,first name,team\nzoe,Zoe,Billing\nzoe,Zoë,Sales")
    assert page.wrong == {3: "user name: Another row calls “zoe” something else."}


def test_a_file_gives_nobody_what_its_sender_has_not(as_lena: Client, lena: User, kim: User, omar: User) -> None:
    Team.objects.create(name="Sales")
    rows = ["omar,Omar,Billing,yes,no,no,no,no", "zoe,Zoe,Billing,no,no,yes,no,no", "omar,Omar,Sales,no,no,no,no,no"]
    page = Page(as_lena, "supervisors", "\n".join([RIGHTS, *rows, "lena,Lena,Billing,yes,yes,yes,yes,yes"]))
    refused = "__all__: Only a superuser, or somebody else who has this right in this team, can give it."
    assert page.wrong == {
        3: refused,
        4: refused,
        5: "user name: “lena” is staff, whom no file changes. Do it on their page.",
    }
    assert Page(as_lena, "supervisors", "\n".join([RIGHTS, rows[0]])).confirm()
    assert omar.team_memberships.get().may_monitor


def test_a_file_moves_no_agent_to_where_its_sender_hears_more(as_lena: Client, billing: Team) -> None:
    Agent.objects.create(name="Zoe", team=Team.objects.create(name="Sales"), reference="zoe")
    page = Page(as_lena, "agents", "name,team,reference\nZoe,Billing,zoe")
    assert page.wrong[2].startswith("team: You would then hear calls that you are not allowed to hear.")


def test_a_file_changes_which_phone_rings_first_and_no_phone_of_staff(
    as_boss: Client, kim: User, omar: User, lena: User
) -> None:
    rows = ["kim,Home,+15550100003,yes", "omar,Desk,sip:omar@SIP.telnyx.com,no"]
    page = Page(as_boss, "phones", "\n".join(["user name,label,address,rings first", *rows]))
    assert page.confirm()
    assert list(kim.lines.filter(is_default=True).values_list("label", flat=True)) == ["Home"]
    assert omar.lines.get().kind == Line.Kind.SIP
    wrong = Page(
        as_boss, "phones", "user name,label,address\nlena,X,+15550100004\nnobody,X,+15550100005\nkim,X,1"
    ).wrong
    assert wrong == {
        2: "user name: “lena” is staff, whom no file changes. Do it on their page.",
        3: "user name: There is no user “nobody”. Import the supervisors first.",
        4: "address: Write the number with its country code, for example +15551230000.",
    }
    taken = Page(as_boss, "phones", "user name,label,address\nomar,X,+15550100003").wrong
    assert taken == {2: "__all__: Another supervisor phone already has this address."}


def test_who_may_not_add_and_change_may_neither_import_nor_export(client: Client, lena: User) -> None:
    client.force_login(lena)
    for kind in ("teams", "agents", "supervisors", "phones"):
        assert client.get(f"{DIRECTORY}{kind}/").status_code == 403
        assert client.post(f"{DIRECTORY}{kind}/export/").status_code == 403
    lena.user_permissions.set(Permission.objects.filter(codename__in=["add_agent", "change_agent"]))
    assert client.get(f"{DIRECTORY}agents/").status_code == 200
    assert client.get(f"{DIRECTORY}teams/").status_code == 403


# --- Unrecognised callers ---------------------------------------------------------------------------------------------


@pytest.fixture
def callers(account: Account, ana: Agent, now: datetime) -> None:
    """Take in calls of three unrecognised callers, two of the first, and one of an agent."""
    account.agent_path = "agent"
    account.save()
    account.connections.create(connection_id=CALLS, name="Calls", role="calls")
    for number, told in enumerate(
        [
            {"to": "sip:gencredZoe@sip.telnyx.com"},
            {"to": "sip:GENCREDZOE@sip.telnyx.com"},
            {"to": "+15550100077"},
            {"to": "+15550100078", "client_state": b64encode(b'{"agent": "ref-yan"}').decode()},
            {"to": "sip:gencredAna@sip.telnyx.com"},
        ]
    ):
        payload = {"call_control_id": f"v3:leg{number}", "connection_id": CALLS, "direction": "outgoing", **told}
        body = event(
            "call.initiated", event_id=uuid4().hex, at=(now - timedelta(seconds=number)).isoformat(), **payload
        )
        store([Received(account.pk, body, now)])


def test_unrecognised_callers_are_exported_once_each_and_imported_with_a_name(
    as_boss: Client, callers: None, billing: Team
) -> None:
    file = as_boss.post(f"{DIRECTORY}agents/export/", {"unrecognised": "1"}).content.decode("utf-8-sig")
    heading, *rows = csv.reader(io.StringIO(file))
    assert heading == [*AGENTS.split(","), "calls", "last seen"]
    assert rows == [
        ["", "", "gencredZoe", "", "", "2", "2026-08-21 14:03"],
        ["", "", "", "'+15550100077", "", "1", "2026-08-21 14:02"],
        ["", "", "", "", "ref-yan", "1", "2026-08-21 14:02"],
    ]
    assert details("directory exported") == ["3 unrecognised callers as csv"]
    filled = file.replace('"","","gencredZoe"', '"Zoe Lind","Billing","gencredZoe"')
    page = Page(as_boss, "agents", filled)
    assert page.counts == (1, 0, 0, 0)
    assert "Columns that are not read: calls, last seen" in page.text
    assert page.confirm()
    assert Agent.objects.get(name="Zoe Lind").sip_username == "gencredZoe"


def test_only_a_superuser_exports_the_numbers_of_callers(as_lena: Client, callers: None) -> None:
    file = as_lena.post(f"{DIRECTORY}agents/export/", {"unrecognised": "1"}).content.decode()
    assert "ref-yan" in file
    assert "0100077" not in file

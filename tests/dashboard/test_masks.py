"""Telephone numbers in texts: none of them is shown, however it is written; what is no number stays readable."""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from copy import deepcopy
from datetime import datetime
from logging.config import DictConfigurator
from typing import Any
from urllib.parse import quote, unquote

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from conferences import audit, names
from conferences.admin.masking import readable_body
from conferences.masks import masked_within, numbers_within
from conferences.models import AuditEntry, Command, Conference, WebhookEvent
from tests.dashboard.conftest import NewCall

SIGNS = ["", "", "", " ", "-", ".", "/", " - ", ") ", "(", "_", "·", "\u00a0", "\u2011", "\u200b", "%20", "%2D"]
BETWEEN = st.sampled_from(SIGNS)
DIGITS = st.sampled_from(["0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "①②③④⑤⑥⑦⑧⑨"])
STARTS = ["", "tel:", "+", "%2B", "%252B", "＋", "sip:", "call-", "Jane Roe ", "x", "(", "name=", "/?q=%2b"]
BEFORE = st.sampled_from(STARTS)
AFTER = st.sampled_from(["", "@carrier.example", "-x", ")", ".", ";phone-context=example", " called", "x"])
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DATE_LIKE = re.compile(r"(19|20)\d\d-\d\d-\d\d")


def digits_in(text: str) -> str:
    """Return the digits that a reader could make out."""
    while text != (text := unquote(text)):
        pass
    return "".join(sign for sign in unicodedata.normalize("NFKC", text) if sign.isdecimal())


@st.composite
def written_numbers(draw: st.DrawFn) -> tuple[str, str]:
    """Return a number of seven or more digits as somebody may write it, and its digits."""
    number = draw(st.text("0123456789", min_size=7, max_size=15))
    signs = draw(DIGITS)
    if "①" in signs:
        number = number.replace("0", "1")
        signs = "0" + signs
    spelt = "".join(signs[int(digit)] + draw(BETWEEN) for digit in number[:-1]) + signs[int(number[-1])]
    if draw(st.booleans()) and "%" not in spelt:
        spelt = quote(spelt, safe="")
    return draw(BEFORE) + spelt + draw(AFTER), number


@given(written_numbers())
def test_no_number_survives_however_it_is_written(written: tuple[str, str]) -> None:
    text, number = written
    if DATE_LIKE.search(unquote(text)):
        return
    for shown in (masked_within(text), names.plain(text)):
        assert digits_in(shown) == number[-3:]
    assert numbers_within(text) == (number,)


@given(st.text(max_size=200))
def test_a_masked_text_holds_no_number_and_stays_as_it_is(text: str) -> None:
    masked = masked_within(text)
    assert masked_within(masked) == masked
    assert not numbers_within(masked)


@pytest.mark.parametrize(
    "text",
    [
        "Billing-4312",
        "Room 12",
        "Suite 4, room 123456",
        "Queue 12: 34 waiting, 56 done, 7 s",
        "2026-11-26 14:03",
        "Stand-up of 2026-11-26",
        "2026-11-26T14:03:07.123456Z",
        "14:03:07.250 to 15:00:00",
        "86a85230-1234-5678-9012-345678901234",
        "+380 •••• 142 and +1 •••• 990",
        "100 % of 999999",
        "Invalid HTTP_HOST header: '192.168.178.20:8000'.",
        "https://192.168.178.20 and http://10.0.0.5:8080/",
        "from 203.0.113.0/24",
    ],
)
def test_what_is_no_number_stays_readable(text: str) -> None:
    assert masked_within(text) == text


def test_a_long_text_is_masked_in_no_time() -> None:
    for hostile in ("1" + "-" * 12, "1 2 x ", "1-", "%20", "1%", "+ (", "1" + "%20" * 11):
        masked_within(hostile * 20_000)  # at once, or the test runs into its time limit


SPELT = "(312) 555-0142"


def test_no_page_shows_a_number_in_a_calls_name(client: Client, kim: User, new_call: NewCall, now: datetime) -> None:
    call = new_call(f"from {SPELT}")
    audit.record("refused", at=now, actor=kim, conference=call.conference)
    client.force_login(kim)
    for address in ("/", call.url, "/snapshot/", f"/?conference={call.conference.id}"):
        page = client.get(address).content.decode()
        assert "555-0142" not in page
        assert "•••• 142" in page or address == "/snapshot/"
    assert AuditEntry.objects.get(action="refused").conference_name == "from •••• 142"


def test_a_call_is_still_found_by_the_whole_number_in_its_name(client: Client, kim: User, new_call: NewCall) -> None:
    call = new_call(f"from {SPELT}", number="sip:maria@carrier.example")
    client.force_login(kim)
    assert [entry.id for entry in _found(client, "3125550142")] == [call.conference.id]
    assert _found(client, "555-01") == []


def _found(client: Client, query: str) -> list[Conference]:
    rows = client.get("/", {"q": query}, follow=True).context["board"].rows
    return list(rows)


def test_the_queue_of_a_number_is_filtered_by_without_showing_it(client: Client, kim: User, new_call: NewCall) -> None:
    call = new_call()
    call.customer.queue = f"line {SPELT}"
    call.customer.save()
    client.force_login(kim)
    page = client.get("/").content.decode()
    assert "0142" not in UUID.sub("", page)  # which may hold these four digits by chance
    value = re.search(r'<option value="(q:[^"]+)">line •••• 142', page)
    assert value
    assert [row.id for row in client.get("/", {"queue": value[1]}).context["board"].rows] == [call.conference.id]
    assert client.get("/", {"queue": "q:other"}).context["board"].rows == ()


@pytest.mark.parametrize("model", ["conference", "participant", "leg", "command", "auditentry", "webhookevent"])
def test_no_list_and_no_page_of_the_admin_shows_a_number_in_a_text(
    client: Client, lena: User, new_call: NewCall, now: datetime, model: str
) -> None:
    call = new_call(f"from {SPELT}")
    call.customer.caller_name = f"Jane tel:{SPELT}"
    call.customer.queue = f"line {SPELT}"
    call.customer.save()
    account, conference = call.conference.account, call.conference
    Command.objects.create(
        account=account, kind="join", actor=lena, conference=conference, asked_at=now, outcome=f"no {SPELT}"
    )
    audit.record("refused", at=now, actor=lena, conference=conference, detail=f"not {SPELT}")
    WebhookEvent.objects.create(
        account=account, event_id="e", event_type="call.initiated", occurred_at=now, received_at=now, state="failed",
        problem=f"odd {SPELT}", body=json.dumps({"from": SPELT, "connection_id": "1684641123236054244"}).encode(),
    )  # fmt: skip
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label="conferences"))
    client.force_login(lena)
    rows = client.get(reverse(f"admin:conferences_{model}_changelist"), {"whose": "all"} if model == "leg" else {})
    pages = [rows.content.decode()]
    pages += [
        client.get(reverse(f"admin:conferences_{model}_change", args=[row.pk])).content.decode()
        for row in rows.context["cl"].result_list
    ]
    assert len(pages) > 1
    for page in pages:
        assert "555-0142" not in page
    assert "•••• 142" in "".join(pages)


@pytest.mark.parametrize(("query", "is_found"), [("31255501", False), ("555", False), ("142", True), ("from", True)])
def test_the_admin_finds_nothing_by_digits_that_it_hides(
    client: Client, lena: User, new_call: NewCall, query: str, is_found: bool
) -> None:
    new_call("from 3125550142")
    call = new_call("Billing-4312")
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label="conferences"))
    client.force_login(lena)
    address = reverse("admin:conferences_conference_changelist")

    def names_of(client: Client, query: str) -> list[str]:
        return [row.name for row in client.get(address, {"q": query}).context["cl"].result_list]

    assert names_of(client, query) == (["from 3125550142"] if is_found else [])
    assert names_of(client, "billing 4312") == names_of(client, str(call.conference.pk)) == ["Billing-4312"]
    client.force_login(User.objects.create_superuser("boss"))
    assert names_of(client, query) == ["from 3125550142"]


@pytest.mark.parametrize(
    "lookup", ["from_address__startswith", "caller_name__contains", "facts__from__0__contains", "from_address"]
)
def test_the_admins_lists_are_not_filtered_by_what_they_hide(
    client: Client, lena: User, new_call: NewCall, lookup: str
) -> None:
    new_call(number="+13125550142")
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label="conferences"))
    client.force_login(lena)
    address = reverse("admin:conferences_leg_changelist")
    assert client.get(address, {"whose": "all", lookup: "+1312555"}).status_code == 400
    assert client.get(address, {"whose": "all", "party": "customer"}).status_code == 200


def test_a_body_keeps_its_ids_and_times_and_loses_its_numbers() -> None:
    body: dict[str, Any] = {
        "occurred_at": "2026-11-26T14:03:07.123456Z",
        "id": "86a85230-1234-5678-9012-345678901234",
        "connection_id": "1684641123236054244",
        "to": "３１２ ５５５ ０１４２",
        "number": 13125550142,
        "headers": [{"name": "X-Caller", "value": "%2B1%20312%20555%200142"}],
        "3125550142": True,
    }
    shown = json.loads(readable_body(json.dumps(body).encode(), full_numbers=False))
    kept = ("occurred_at", "id", "connection_id")
    assert [shown[name] for name in kept] == [body[name] for name in kept]
    assert shown["to"] == shown["number"] == "•••• 142"
    assert shown["headers"][0]["value"] == "•••• 142"
    assert "•••• 142" in shown


def test_no_log_line_holds_a_number_a_bell_or_a_hundred_kilobytes(caplog: pytest.LogCaptureFixture) -> None:
    logging_settings: dict[str, Any] = deepcopy(settings.LOGGING)  # configuring takes its parts away
    formatter: Any = DictConfigurator(logging_settings).configure_formatter(logging_settings["formatters"]["line"])
    try:
        raise ValueError(f"no leg for {SPELT}\x07\x1b[31m" + "y" * 100_000)
    except ValueError:
        logging.getLogger("conferences.test").exception("asked for tel:%s", SPELT)
    record = caplog.records[-1]
    record.msecs = 0  # 555 of them would be found below
    told = formatter.format(record)
    assert told.count("•••• 142") == 2
    assert "555" not in told
    assert "\x07" not in told
    assert "\x1b" not in told
    assert len(told) < 10_000
    assert "ValueError" in told

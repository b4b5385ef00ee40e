from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db.models import CharField, Model, TextField
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from pytest_django.fixtures import Settings

from conferences.models import (
    Account,
    Agent,
    Conference,
    Ear,
    Leg,
    Line,
    Note,
    Presence,
    SavedView,
    SupervisorSession,
    Team,
)
from dashboard.desk import notes
from dashboard.floor.board import board
from dashboard.floor.window import Window
from dashboard.preferences import saved_views
from dashboard.rendering import row_cache

from .conftest import NewCall

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
REFRESH = '<noscript><meta http-equiv="refresh" content="10">'


def test_whoever_is_signed_out_is_sent_to_the_sign_in_page(client: Client) -> None:
    response = client.get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/accounts/login/?next=/")


def test_signing_in_leads_to_the_floor_and_out_again(client: Client, kim: User) -> None:
    response = client.post("/accounts/login/", {"username": "kim", "password": "kim-password"})
    assert response.headers["Location"] == "/"
    assert client.get("/").status_code == 200
    assert client.get("/accounts/logout/").status_code == 405
    client.post("/accounts/logout/")
    assert client.get("/").status_code == 302


def test_a_wrong_password_is_refused_in_plain_words(client: Client, kim: User) -> None:
    page = client.post("/accounts/login/", {"username": "kim", "password": "nonsense"}).content.decode()
    assert "Wrong user name or password." in page


def test_a_german_browser_reads_english_throughout_not_single_words_of_german(client: Client) -> None:
    page = client.get("/accounts/login/", headers={"Accept-Language": "de-DE,de;q=0.9"})
    assert page.headers["Content-Language"] == "en"
    assert ">Password<" in page.content.decode()


def test_every_call_is_a_row_labelled_with_its_name(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call("Billing-4312")
    page = page_of(kim).get("/").content.decode()
    assert re.search(rf'<tr id="conference-{call.conference.id}"[^>]* aria-label="Billing-4312"', page)
    assert f'<a href="{call.url}">Billing-4312</a>' in page


def test_names_from_outside_come_out_as_text(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call('<img src=x onerror="alert(1)">\u202e' + "x" * 150)
    Conference.objects.filter(id=call.conference.id).update(name='<script>alert("1")</script>\n\u202e' + "x" * 150)
    for url in ("/", call.url):
        page = page_of(kim).get(url).content.decode()
        assert '<script>alert("1")' not in page
        assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;" in page
        assert "\u202e" not in page


HOSTILE = '<img src=x onerror="alert(1)">\u202e\n</script><hx-partial hx-target="#page">' + "x" * 10_000


def poison(model: type[Model]) -> None:
    """Write markup, reversed writing, line breaks and ten kilobytes into every text of a model that can hold them."""
    for field in model._meta.concrete_fields:
        # A view's query is made by ourselves, out of what an address says.
        if isinstance(field, CharField | TextField) and not field.choices and field.name != "query":
            for row in model._default_manager.all():
                # Each its own, where it has to be unique; as long as the column lets it be.
                text = f"{HOSTILE[:30]}{row.pk}{HOSTILE[30:]}"[: field.max_length or len(HOSTILE)]
                model._default_manager.filter(pk=row.pk).update(**{field.name: text})


@pytest.mark.slow
def test_whatever_any_field_holds_comes_out_as_text(
    kim: User,
    lena: User,
    new_call: NewCall,
    kim_listens: Callable[..., SupervisorSession],
    page_of: SignIn,
    now: datetime,
) -> None:
    call, client = new_call(), page_of(kim)
    kim_listens(call, targets=(call.agents[0],))
    notes.write(author=lena, conference=call.conference, text=HOSTILE[: Note.LIMIT], now=now)
    saved_views.save(user=kim, name="Mine", window=Window(query="a"), shared=True)
    for model in (Conference, Leg, Agent, Team, Line, Ear, SupervisorSession, SavedView):
        poison(model)
    User.objects.filter(pk__in=[kim.pk, lena.pk]).update(first_name=HOSTILE[:150], last_name=HOSTILE[:150])
    for url in ("/", "/?group=agent", f"/?conference={call.conference.id}", call.url, "/ear/", "/setup/"):
        page = client.get(url).content.decode()
        assert "&lt;img src=x" in page
        assert not re.findall(r'.{0,60}(?:<img|\u202e|</script><hx|"#page").{0,20}', page), url
        assert len(page) < 40_000, url


def test_no_full_number_and_no_control_id_reaches_the_page(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call(number="+4915550100142")
    for url in ("/", call.url, f"/?conference={call.conference.id}"):
        page = page_of(kim).get(url).content.decode()
        assert "5550100" not in page
        assert call.customer.call_control_id not in page


@pytest.mark.parametrize("path", ["/conferences/{id}/", "/?conference={id}"])
def test_a_call_of_another_team_is_not_found(omar: User, new_call: NewCall, page_of: SignIn, path: str) -> None:
    assert page_of(omar).get(path.format(id=new_call().conference.id)).status_code == 404


def test_a_call_that_does_not_exist_is_not_found(kim: User, page_of: SignIn) -> None:
    assert page_of(kim).get(f"/conferences/{uuid4()}/").status_code == 404
    assert page_of(kim).get("/?conference=nonsense").status_code == 404


def test_a_stranger_sees_an_empty_floor_that_explains_why(omar: User, new_call: NewCall, page_of: SignIn) -> None:
    new_call("Billing-4312")
    page = page_of(omar).get("/").content.decode()
    assert "Billing-4312" not in page
    assert "You are in no team yet." in page
    assert "Ask an admin to add you to a team." in page
    assert reverse("setup") not in page


def test_page_and_stream_render_a_row_to_the_same_bytes(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    new_call()
    whole = page_of(kim).get("/").content.decode()
    [item] = board(kim, window=Window(), now=timezone.now()).items
    with translation.override("en"):
        assert without_times(row_cache.render(item, now=timezone.now())) in without_times(whole)


def without_times(html: str) -> str:
    """Running times were written a moment apart."""
    html = re.sub(r'(data-talks="\d" data-from="\d+">)(?:<rect [^>]*>)+', r"\1", html)
    return re.sub(r'(data-since="\d+">)[0-9:]+', r"\1", html)


def test_picking_a_call_changes_the_desk_and_the_stream_only(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call()
    answer = page_of(kim).get(f"/?conference={call.conference.id}", headers=HTMX).content.decode()
    assert re.findall(r'<hx-partial hx-target="#([a-z-]+)"', answer) == ["desk", "stream"]
    assert f"/stream/?conference={call.conference.id}" in answer


def test_htmx_is_told_to_leave_for_the_sign_in_page(client: Client, new_call: NewCall) -> None:
    response = client.get("/", headers={**HTMX, "HX-Current-URL": "http://testserver/?q=ana"})
    assert (response.status_code, response.content) == (401, b"")
    assert response.headers["HX-Redirect"] == "/accounts/login/?next=%2F%3Fq%3Dana"


def test_without_a_script_the_page_refreshes_itself(kim: User, page_of: SignIn) -> None:
    assert REFRESH in page_of(kim).get("/").content.decode()


def test_without_a_script_a_note_is_written_on_a_page_that_stands_still(
    kim: User, new_call: NewCall, page_of: SignIn
) -> None:
    call = new_call()
    desk = page_of(kim).get(call.url).content.decode()
    assert REFRESH in desk
    assert f'href="{call.url}?note=1#note"' in desk
    still = page_of(kim).get(f"{call.url}?note=1").content.decode()
    assert "http-equiv" not in still
    assert " data-writing" in still


def test_times_are_the_viewers(kim: User, new_call: NewCall, page_of: SignIn, now: datetime) -> None:
    call = new_call(age=timedelta(0))
    client = page_of(kim)
    assert "started 14:03:00" in client.get(call.url).content.decode()
    client.cookies["floorline-tz"] = "Asia/Kolkata"
    assert "started 19:33:00" in client.get(call.url).content.decode()


def test_whoever_has_no_line_reads_what_is_missing(kim: User, lena: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call()
    Line.objects.all().delete()
    assert "Ask an admin to add yours." in page_of(kim).get(call.url).content.decode()
    assert (
        reverse("admin:conferences_supervisor_change", args=[lena.pk]) in page_of(lena).get(call.url).content.decode()
    )


def test_calls_that_are_bridged_are_told_on_the_floor(kim: User, account: Account, page_of: SignIn) -> None:
    Account.objects.update(bridged_call_seen_at=timezone.now())
    page = page_of(kim).get("/").content.decode()
    assert "Some calls are not shown here." in page
    assert page_of(kim).get("/setup/").status_code == 200


def test_an_open_page_counts_as_presence(kim: User, page_of: SignIn) -> None:
    page_of(kim).get("/")
    assert Presence.objects.filter(user=kim).exists()


def test_a_page_is_kept_out_of_every_cache(kim: User, page_of: SignIn) -> None:
    assert page_of(kim).get("/").headers["Cache-Control"] == "no-store"


def test_whisper_targets_are_checkboxes_named_as_the_agent(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call()
    boxes = re.findall(r'<input type="checkbox"[^>]*>', page_of(kim).get(call.url).content.decode())
    assert len(boxes) == 1
    assert f'value="{call.agents[0].id}"' in boxes[0]
    assert 'aria-label="Ana Ruiz"' in boxes[0]


def test_an_unknown_leg_is_counted_on_the_row_and_locked_on_the_desk(
    kim: User, new_call: NewCall, page_of: SignIn
) -> None:
    call = new_call()
    Leg.objects.filter(id=call.customer.id).update(party=Leg.Party.UNKNOWN)
    assert "1 unknown" in page_of(kim).get("/").content.decode()
    assert "treated as a customer" in page_of(kim).get(call.url).content.decode()


@pytest.mark.parametrize("name", ["404.html", "403.html", "403_csrf.html", "500.html"])
def test_error_pages_need_neither_request_nor_database(name: str) -> None:
    assert "Back to the floor" in render_to_string(name)


@pytest.mark.parametrize("who", ["kim", "lena", None])
def test_a_form_from_another_address_names_it_the_one_expected_and_for_staff_the_setting(
    kim: User, lena: User, settings: Settings, who: str | None
) -> None:
    settings.PUBLIC_URL = "http://floor.example.com"
    client = Client(enforce_csrf_checks=True)
    if who:
        client.force_login({"kim": kim, "lena": lena}[who])
    came = {"Origin": "https://floor.example.com"}
    answer = client.post("/accounts/login/", {"username": "kim", "password": "kim-password"}, headers=came)
    page = unescape(answer.content.decode())
    assert answer.status_code == 403
    assert "was sent from https://floor.example.com, but this Floorline is at http://testserver." in page
    assert "expired" not in page
    assert ("PUBLIC_URL is http://floor.example.com." in page) is (who == "lena")


def test_a_form_whose_token_is_old_says_that_the_page_was_too_old(kim: User) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/accounts/login/", {"username": "kim"}, headers={"Origin": "http://testserver"})
    assert answer.status_code == 403
    assert "This page has expired." in answer.content.decode()


@pytest.mark.parametrize("origin", ["null", "<script>alert(1)</script>", "http://" + "x" * 5000, "tel:+13125550142"])
def test_a_hostile_origin_is_named_harmlessly(kim: User, origin: str) -> None:
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {}, headers={"Origin": origin})
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "This form was sent from another address." in page
    assert "<script>alert" not in page
    assert "13125550142" not in page
    assert len(page) < 4000


def test_the_page_about_telnyx_names_the_public_address_whatever_the_browser_asked(
    lena: User, page_of: SignIn, settings: Settings
) -> None:
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://floor.example.com", ["*"]
    lena.is_staff = True
    lena.save()
    page = page_of(lena).get("/setup/", headers={"host": "10.0.0.7:8000"}).content.decode()
    assert "<code>https://floor.example.com/webhooks/telnyx/</code>" in page

"""The supervisors' own entry in the admin: made on one page, listed in words, and protected like the users' page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from conferences.models import AuditEntry, Line, Team, TeamMembership

SECRET = "quite a long one"


@pytest.fixture
def as_boss(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def as_lena(client: Client, lena: User) -> Client:
    """Sign in Lena with every permission on our tables and on people; in Billing she may monitor, and leads."""
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["conferences", "auth"]))
    client.force_login(lena)
    return client


def form(*teams: dict[str, Any], phones: tuple[dict[str, Any], ...] = (), **person: Any) -> dict[str, Any]:
    """Return what the page sends: the person, a row for each team, and one for each phone."""
    sent: dict[str, Any] = dict(person)
    for prefix, rows in (("team_memberships", teams), ("lines", phones)):
        kept = sum("id" in row for row in rows)
        sent |= {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": kept}
        sent |= {f"{prefix}-{at}-{name}": value for at, row in enumerate(rows) for name, value in row.items()}
    return sent


def change(person: User) -> str:
    return reverse("admin:conferences_supervisor_change", args=[person.pk])


ADD = "/admin/conferences/supervisor/add/"
LIST = "/admin/conferences/supervisor/"


def test_a_supervisor_is_made_on_one_page(as_boss: Client, billing: Team) -> None:
    typed = {"usable_password": "true", "password1": SECRET, "password2": SECRET}
    sent = form(
        {"team": billing.pk, "may_monitor": "on", "may_whisper": "on"},
        phones=({"label": "Desk", "kind": "sip", "address": "sip:zoe@sip.telnyx.com", "is_default": "on"},),
        username="zoe", first_name="Zoe", last_name="Ito", **typed,
    )  # fmt: skip
    assert as_boss.post(ADD, sent).status_code == 302
    zoe = User.objects.get(username="zoe")
    assert zoe.check_password(SECRET)
    assert (zoe.is_staff, zoe.is_superuser) == (False, False)
    assert zoe.team_memberships.get().may_whisper
    assert zoe.lines.get().is_default
    assert AuditEntry.objects.get(action="rights changed").detail.startswith("zoe in Billing: gained may see")
    page = as_boss.get(LIST).content.decode()
    assert all(words in page for words in ("Zoe Ito", "Billing: monitor, whisper", "Desk"))


@pytest.mark.django_db(transaction=True)
def test_a_new_supervisor_sets_their_password_by_a_link_where_floorline_mails(
    as_boss: Client, billing: Team, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CAN_MAIL = True
    monkeypatch.setattr("dashboard.signing_in.adapter.Thread", _AtOnce)
    sent = form({"team": billing.pk, "may_monitor": "on"}, username="zoe", usable_password="false")
    refused = as_boss.post(ADD, sent)
    assert "Write the e-mail address that the link is sent to." in refused.content.decode()
    assert 'value="zoe"' in refused.content.decode()
    page = as_boss.post(ADD, sent | {"email": "zoe@example.com"}, follow=True).content.decode()
    assert "A link to set a password is sent to zoe@example.com." in page
    [message] = mail.outbox
    assert message.to == ["zoe@example.com"]
    assert "/accounts/password/reset/set/" in str(message.body)


class _AtOnce:
    """A thread that runs where it is started."""

    def __init__(self, *, target: Any, args: Any, **_named: Any) -> None:
        self.start = lambda: target(*args)


def test_without_mail_and_single_sign_on_a_password_is_typed(as_boss: Client) -> None:
    assert 'name="usable_password"' not in as_boss.get(ADD).content.decode()
    assert "This field is required." in as_boss.post(ADD, form(username="zoe")).content.decode()


def test_the_list_shows_who_listens_and_everybody_where_asked(as_boss: Client, kim: User, omar: User) -> None:
    assert tuple(one.username for one in (kim, omar)) == ("kim", "omar")
    shown = as_boss.get(LIST).content.decode()
    assert "Kim Winter" in shown
    assert change(omar) not in shown
    assert change(omar) in as_boss.get(LIST, {"who": "everybody"}).content.decode()


def test_nobody_gives_a_right_that_they_do_not_have(as_lena: Client, omar: User, billing: Team) -> None:
    refused = as_lena.post(change(omar), form({"team": billing.pk, "may_barge": "on"}, username="omar"))
    assert (
        "Only a superuser, or somebody else who has this right in this team, can give it." in refused.content.decode()
    )
    typed: dict[str, Any] = {"username": "zoe", "password1": SECRET, "password2": SECRET}
    assert as_lena.post(ADD, form({"team": billing.pk, "may_barge": "on"}, **typed)).status_code == 200
    assert not TeamMembership.objects.filter(may_barge=True).exists()
    assert not User.objects.filter(username="zoe").exists()


def test_nobody_edits_themselves_or_staff_nor_makes_staff(
    as_lena: Client, lena: User, kim: User, billing: Team
) -> None:
    boss = User.objects.create_superuser("boss")
    own = lena.team_memberships.get()
    wider = form({"id": own.pk, "team": billing.pk, "may_barge": "on"}, username="lena")
    assert [as_lena.post(change(staff), wider).status_code for staff in (lena, boss)] == [403, 403]
    may = list(Permission.objects.values_list("pk", flat=True)[:1])
    office: dict[str, Any] = {"is_staff": "on", "is_superuser": "on", "user_permissions": may}
    assert as_lena.post(change(kim), form(username="kim", is_active="on", **office)).status_code == 302
    kim.refresh_from_db()
    assert (kim.is_staff, kim.is_superuser, kim.user_permissions.exists()) == (False, False, False)


def test_every_change_of_a_right_is_in_the_audit(as_boss: Client, kim: User, billing: Team) -> None:
    kims = kim.team_memberships.get()
    kept = {"id": kims.pk, "user": kim.pk, "team": billing.pk, "may_monitor": "on", "may_note": "on"}
    as_boss.post(change(kim), form(kept, username="kim", is_active="on"))
    as_boss.post(change(kim), form({**kept, "DELETE": "on"}, username="kim"))
    assert list(AuditEntry.objects.filter(action="rights changed").order_by("pk").values_list("detail", flat=True)) == [
        "kim in Billing: lost may whisper, may barge",
        "kim in Billing: lost may see, may monitor, may write notes",
        "kim: lost active",
    ]


def test_a_supervisor_is_made_inactive_and_never_deleted(as_boss: Client, kim: User) -> None:
    assert as_boss.post(f"{LIST}{kim.pk}/delete/", {"post": "yes"}).status_code == 403
    as_boss.post(LIST, {"action": "delete_selected", "_selected_action": [kim.pk], "post": "yes"})
    assert User.objects.filter(pk=kim.pk).exists()


def test_passwords_are_on_the_users_page_and_each_page_links_to_the_other(as_boss: Client, kim: User) -> None:
    user = reverse("admin:auth_user_change", args=[kim.pk])
    assert user in as_boss.get(change(kim)).content.decode()
    assert change(kim) in as_boss.get(user).content.decode()
    assert "password1" not in as_boss.get(f"{LIST}{kim.pk}/password/", follow=True).content.decode()
    assert reverse("admin:auth_user_password_change", args=[kim.pk]) == f"/admin/auth/user/{kim.pk}/password/"
    assert as_boss.get(LIST, {"password__startswith": "md5"}).status_code == 400


def test_who_may_not_edit_users_edits_no_supervisors(client: Client, lena: User, kim: User) -> None:
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label="conferences"))
    client.force_login(lena)
    assert [client.get(page).status_code for page in (LIST, ADD, change(kim))] == [403, 403, 403]
    lena.user_permissions.add(Permission.objects.get(codename="view_user"))
    assert [client.get(page).status_code for page in (LIST, ADD, change(kim))] == [200, 403, 200]
    assert client.post(change(kim), form(username="kim")).status_code == 403


def test_another_ones_phone_is_refused_with_what_was_typed(as_boss: Client, kim: User, omar: User) -> None:
    taken = kim.lines.get().address
    phone = {"label": "Desk", "kind": "sip", "address": taken}
    page = as_boss.post(change(omar), form(phones=(phone,), username="omar")).content.decode()
    assert "Another supervisor phone already has this address." in page
    assert taken in page
    assert Line.objects.count() == 1

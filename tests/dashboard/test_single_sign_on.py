"""Single sign-on: who comes in by an issuer, who does not, and that what holds for passwords holds here."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import time_machine
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from conferences import logins
from conferences.models import AuditEntry
from tests.authenticator import code_of
from tests.issuer import CLIENT_ID, CLIENT_SECRET, LoopbackIssuer, running_issuer

pytestmark = pytest.mark.django_db

LOGIN, BUTTON, BACK = "/accounts/login/", "/accounts/login/single-sign-on/", "/accounts/login/single-sign-on/back/"
NO_ANSWER = "Company account gave no valid answer."
NOT_BEGUN = "This sign-in was not begun in this browser"


@pytest.fixture(scope="module")
def served() -> Iterator[LoopbackIssuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(served: LoopbackIssuer, settings: Settings) -> LoopbackIssuer:
    settings.OIDC, settings.OIDC_ISSUER = True, served.url
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
    settings.OIDC_NAME, settings.OIDC_SECOND_FACTOR = "Company account", frozenset()
    settings.PUBLIC_URL = "http://testserver"
    fresh = LoopbackIssuer()
    names = ("signs_with", "algorithm", "claims", "discovery", "asked")
    vars(served).update({name: getattr(fresh, name) for name in names}, signs_with=served.key)
    return served


def question(client: Client, wanted: str = "") -> str:
    """Press the button; return where it leads."""
    answer = client.post(BUTTON, {"next": wanted})
    assert answer.status_code == 302
    return answer.headers["Location"]


def answer_of(asked: str) -> str:
    """Go to the issuer, as a browser does; return the path that it sends back to."""
    answer = requests.get(asked, allow_redirects=False, timeout=10)
    there = urlsplit(answer.headers["Location"])
    assert f"{there.scheme}://{there.netloc}{there.path}" == f"http://testserver{BACK}"
    return f"{there.path}?{there.query}"


def sign_in(client: Client, wanted: str = "") -> str:
    """Sign in by the button; return where that leads in the end."""
    return client.get(answer_of(question(client, wanted))).headers["Location"]


def told(client: Client) -> str:
    """Return the sentence on the sign-in page, to somebody who is not signed in."""
    page = client.get(LOGIN)
    assert page.status_code == 200
    found = re.search(r'<div class="banner refused".*?<p>(.*?)</p>', page.content.decode(), re.DOTALL)
    return found[1] if found else ""


def audited() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", "detail"))


def test_without_an_issuer_there_is_no_button_and_no_page(client: Client, kim: User) -> None:
    page = client.get(LOGIN)
    assert "single-sign-on" not in page.content.decode()
    assert "form-action 'self'; " in page.headers["Content-Security-Policy"] + "; "
    assert [client.post(BUTTON).status_code, client.get(BACK).status_code] == [404, 404]
    client.force_login(kim)
    assert [client.post(BUTTON).status_code, client.get(BACK).status_code] == [404, 404]


def test_a_person_of_the_issuer_signs_in_as_the_user_of_that_name(
    client: Client, issuer: LoopbackIssuer, kim: User
) -> None:
    question(client)
    before = client.session.session_key
    assert sign_in(client, "/ear/") == "/ear/"

    key = client.session.session_key
    assert key
    assert key != before
    assert logins.signed_in(key) == kim
    assert kim.pk in logins.signed_in_among([kim.pk], now=timezone.now())
    assert client.session["_auth_user_backend"] == "django.contrib.auth.backends.ModelBackend"
    assert audited() == [("signed in", "by single sign-on")]
    assert "browser" in client.session["opened"]
    stored = Session.objects.get(pk=key).get_decoded()
    assert "opens nothing" not in str(stored)
    assert not any(model.objects.exists() for model in (SocialAccount, SocialApp, SocialToken))


def test_the_question_has_a_state_a_nonce_and_a_proof_of_its_own(
    client: Client, issuer: LoopbackIssuer, kim: User
) -> None:
    asked = [parse_qs(urlsplit(question(Client())).query) for _again in range(2)]
    assert [one["code_challenge_method"] for one in asked] == [["S256"]] * 2
    assert sorted(asked[0]["scope"][0].split()) == ["openid", "profile"]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]


def test_it_leads_to_no_other_site_and_is_begun_by_no_link(client: Client, issuer: LoopbackIssuer, kim: User) -> None:
    assert client.get(BUTTON).headers["Location"] == LOGIN
    assert Client(enforce_csrf_checks=True).post(BUTTON).status_code == 403
    assert not Session.objects.exists()
    assert sign_in(client, "https://evil.example/") == "/"


def test_forms_may_lead_to_the_issuer_from_the_sign_in_page_alone(
    client: Client, issuer: LoopbackIssuer, kim: User
) -> None:
    def allowed(path: str) -> str:
        policy = client.get(path).headers["Content-Security-Policy"]
        return dict(part.strip().split(" ", 1) for part in policy.split(";"))["form-action"]

    assert allowed(LOGIN) == f"'self' {issuer.url}"
    assert [allowed(path) for path in ("/accounts/password/reset/", BACK)] == ["'self'"] * 2
    sign_in(client)
    assert [allowed(path) for path in ("/", "/accounts/password/", "/accounts/reauthenticate/")] == ["'self'"] * 3


# --- Refused ----------------------------------------------------------------------------------------------------------


def refused(client: Client, sentence: str, why: str, whom: str = "an unknown user name") -> None:
    """Assert that nobody is signed in, and what page and audit say."""
    assert sentence in told(client)
    assert "_auth_user_id" not in client.session
    assert audited() == [("sign-in failed", f"{whom}, by single sign-on: {why}")]


def test_an_answer_to_nobodys_question_is_refused(client: Client, issuer: LoopbackIssuer, kim: User) -> None:
    answered = answer_of(question(Client()))
    client.get(answered)
    refused(client, NOT_BEGUN, "not asked for")


def test_an_answer_counts_once(client: Client, issuer: LoopbackIssuer, kim: User) -> None:
    answered = answer_of(question(client))
    client.get(answered)
    client.post("/accounts/logout/")
    client.get(answered)
    assert NOT_BEGUN in told(client)
    assert audited()[-1] == ("sign-in failed", "an unknown user name, by single sign-on: not asked for")


def test_who_turns_back_at_the_issuer_is_told_so(client: Client, issuer: LoopbackIssuer, kim: User) -> None:
    state = parse_qs(urlsplit(question(client)).query)["state"][0]
    client.get(BACK, {"error": "access_denied", "state": state})
    refused(client, "You have not signed in by Company account.", "cancelled")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"nonce": "of another question"}, "the answer is to another question"),
    "no nonce": ({"nonce": None}, "the answer is to another question"),
    "expired": ({"exp": int(time.time()) - 60}, "no valid token (ExpiredSignatureError)"),
    "of tomorrow": ({"iat": int(time.time()) + 86_400}, "no valid token (ImmatureSignatureError)"),
    "for another": ({"aud": "another-client"}, "no valid token (InvalidAudienceError)"),
    "made for another": ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "the token was made for another client"),
    "of another issuer": ({"iss": "https://evil.example"}, "no valid token (InvalidIssuerError)"),
}


@pytest.mark.parametrize(("claims", "why"), WRONG.values(), ids=WRONG)
def test_a_token_that_is_not_for_this_is_refused(
    client: Client, issuer: LoopbackIssuer, kim: User, claims: dict[str, Any], why: str
) -> None:
    issuer.claims |= claims
    sign_in(client)
    refused(client, NO_ANSWER, why)


@pytest.mark.parametrize(
    ("algorithm", "key", "why"),
    [
        ("none", lambda: None, "no valid token (InvalidAlgorithmError)"),
        ("HS256", lambda: "the client's secret, which both sides have", "no valid token (InvalidAlgorithmError)"),
        (
            "RS256",
            lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "no valid token (InvalidSignatureError)",
        ),
    ],
)
def test_a_token_that_the_issuer_has_not_signed_is_refused(
    client: Client, issuer: LoopbackIssuer, kim: User, algorithm: str, key: Callable[[], Any], why: str
) -> None:
    issuer.algorithm, issuer.signs_with = algorithm, key()
    sign_in(client)
    refused(client, NO_ANSWER, why)


@pytest.mark.parametrize("name", ["nobody", "KIM", "kim ", "", None, ["kim"], "kim\0"])
def test_who_is_unknown_here_is_told_so_and_not_named_in_the_audit(
    client: Client, issuer: LoopbackIssuer, kim: User, name: Any
) -> None:
    User.objects.filter(pk=kim.pk).update(email="kim@example.com")
    issuer.claims |= {"preferred_username": name, "email_verified": True}
    sign_in(client)
    refused(client, "You are not known here by the name that you have there.", "unknown here")
    assert User.objects.count() == 1


def test_a_deactivated_account_stays_so(client: Client, issuer: LoopbackIssuer, kim: User) -> None:
    User.objects.filter(pk=kim.pk).update(is_active=False)
    sign_in(client)
    refused(client, "Your account is deactivated.", "deactivated", whom="kim")


def test_an_issuer_that_is_away_is_told(client: Client, issuer: LoopbackIssuer, kim: User, settings: Settings) -> None:
    settings.OIDC_ISSUER = "http://127.0.0.1:9"
    assert question(client) == LOGIN
    refused(client, "Company account does not answer.", "the issuer does not answer")


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "https://evil.example/authorize"},
        {"token_endpoint": "http://login.example.com/token"},
        {"token_endpoint": None},
        {"jwks_uri": 5},
    ],
)
def test_a_document_that_leads_elsewhere_is_refused(
    client: Client, issuer: LoopbackIssuer, kim: User, discovery: dict[str, Any]
) -> None:
    issuer.discovery = discovery
    assert question(client) == LOGIN
    assert NO_ANSWER in told(client)
    assert len(audited()) == 1


def test_one_address_goes_to_the_issuer_so_often(client: Client, issuer: LoopbackIssuer, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "single_sign_on": "2/10m/ip"}
    assert [Client().post(BUTTON).status_code for _again in range(3)] == [302, 302, 429]


# --- Second factors and confirmations ---------------------------------------------------------------------------------


def test_a_second_factor_of_here_is_asked_for_afterwards(client: Client, issuer: LoopbackIssuer, kim: User) -> None:
    secret = generate_totp_secret()
    TOTP.activate(kim, secret)
    assert sign_in(client) == "/accounts/login/code/"
    assert client.get("/").status_code == 302
    client.post("/accounts/login/code/", {"code": code_of(secret)})
    assert client.get("/").status_code == 200
    assert audited() == [("second factor used", ""), ("signed in", "by single sign-on")]


@pytest.mark.parametrize(
    ("counting", "amr", "proved"),
    [
        ((), ["pwd", "mfa"], False),
        (("mfa",), ["pwd", "mfa"], True),
        (("mfa",), ["pwd"], False),
        (("mfa",), "mfa", False),
        (("mfa",), None, False),
    ],
)
def test_the_issuers_second_factor_counts_where_it_is_said_to(
    client: Client,
    issuer: LoopbackIssuer,
    lena: User,
    settings: Settings,
    counting: tuple[str],
    amr: Any,
    *,
    proved: bool,
) -> None:
    settings.SECOND_FACTOR_FOR, settings.OIDC_SECOND_FACTOR = frozenset({"staff"}), frozenset(counting)
    issuer.claims |= {"preferred_username": "lena", "amr": amr}
    sign_in(client)

    assert client.get("/").status_code == (200 if proved else 302)
    key = client.session.session_key
    assert key
    assert (logins.signed_in(key) == lena) is proved
    assert (lena.pk in logins.signed_in_among([lena.pk], now=timezone.now())) is proved
    assert audited() == [("signed in", "by single sign-on" + ", with its second factor" * proved)]


def test_who_has_a_factor_here_is_not_asked_where_the_issuers_counts(
    client: Client, issuer: LoopbackIssuer, kim: User, settings: Settings
) -> None:
    TOTP.activate(kim, generate_totp_secret())
    settings.OIDC_SECOND_FACTOR, issuer.claims = frozenset({"mfa"}), {**issuer.claims, "amr": ["mfa"]}
    assert sign_in(client) == "/"
    client.post("/accounts/logout/")
    # A password afterwards proves nothing of that kind.
    assert client.post(LOGIN, {"username": "kim", "password": "kim-password"}).headers["Location"].endswith("/code/")


def test_who_has_no_password_is_confirmed_by_signing_in_again(
    client: Client, issuer: LoopbackIssuer, kim: User, settings: Settings
) -> None:
    settings.CONFIRMED_SECONDS = 15 * 60
    kim.set_unusable_password()
    kim.save()
    with time_machine.travel(timezone.now()) as clock:
        sign_in(client)
        assert client.post("/audit/export/", {"kind": "csv"}).status_code == 200
        clock.shift(16 * 60)
        leads = client.post("/audit/export/", {"kind": "csv"})
        assert leads.status_code == 302
        assert "sign out, then sign in" in client.get(leads.headers["Location"]).content.decode()
        client.post("/accounts/logout/")
        sign_in(client)
        assert client.post("/audit/export/", {"kind": "csv"}).status_code == 200

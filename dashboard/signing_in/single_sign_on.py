"""Signs people in by an issuer of OpenID Connect: allauth asks it, Floorline checks the answer and finds the user.

Nothing about the issuer or its answers is stored: who may come in are the users that administrators have made.
"""

from __future__ import annotations

import functools
import secrets
from typing import Any, NoReturn
from urllib.parse import urlsplit

import jwt
import requests
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base.constants import AuthError
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from dashboard.settings import is_issuer

METHOD = "single sign-on"
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
"""Signatures that only the issuer can make: none whose key Floorline has, too."""
CLOCKS_APART_SECONDS = 30
ISSUER_SECONDS = 5
NO_ANSWER = requests.RequestException
"""Raised where the issuer does not answer."""


class NotSignedIn(OAuth2Error):  # type: ignore[misc]  # allauth has no types
    """An answer that signs nobody in."""

    def __init__(self, why: str, sentence: str = "", *, username: str = "") -> None:
        super().__init__(why)
        self.why = why
        """For the audit: without anything that the answer says about people unknown here."""
        self.username = username
        self.sentence = sentence or _("%(name)s gave no valid answer. Try again, or tell an admin.") % {
            "name": settings.OIDC_NAME
        }


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Floorline's answers to what allauth asks about single sign-on."""

    def get_requests_session(self) -> requests.Session:
        """Return what asks the issuer: the client's secret follows no redirect, and passes no proxy."""
        session = requests.Session()
        session.trust_env = False
        asking = functools.partial(session.request, timeout=ISSUER_SECONDS, allow_redirects=False)
        session.request = asking  # type: ignore[method-assign]
        session.get = functools.partial(asking, "GET")  # type: ignore[method-assign]
        return session

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> NoReturn:
        """Sign in the user whom the issuer's checked answer names, on the way that a right password takes."""
        claims, state = sociallogin.account.extra_data, sociallogin.state
        if not constant_time_compare(str(claims.get("nonce", "")), state["nonce"]):
            raise NotSignedIn("the answer is to another question")
        user = _user_of(claims)
        proved = _proves_second_factor(claims)
        request.second_factor_proved = proved  # type: ignore[attr-defined]
        record_authentication(request, user, METHOD, second_factor=proved)
        raise ImmediateHttpResponse(perform_login(request, Login(user=user, redirect_url=state.get("next"))))

    def on_authentication_error(self, request: HttpRequest, provider: Any, **kwargs: Any) -> None:
        """Raise what is wrong; this is reached for everything that signs nobody in."""
        exception = kwargs.get("exception")
        if isinstance(exception, NotSignedIn):
            raise exception
        if exception is not None:
            raise NotSignedIn(f"no valid answer ({type(exception).__name__})") from exception
        name = {"name": settings.OIDC_NAME}
        if kwargs.get("error") == AuthError.CANCELLED:
            raise NotSignedIn("cancelled", _("You have not signed in by %(name)s.") % name)
        if "state_id" in (kwargs.get("extra_context") or {}):
            raise NotSignedIn(
                "not asked for", _("This sign-in was not begun in this browser, or is too old. Try again.")
            )
        raise NotSignedIn("the issuer reports an error")


class Issuer(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """The issuer, as its discovery document describes it."""

    def get_provider(self) -> IssuerProvider:
        """Return the one that is configured."""
        return provider_of(self.request)

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        """Return where people come back to: the address that the issuer knows, whatever host a request names."""
        return str(settings.PUBLIC_URL) + reverse("single-sign-on-back")

    @functools.cached_property
    def openid_config(self) -> dict[str, Any]:
        """Return the discovery document, where it is the issuer's and leads nowhere else."""
        document = _read(f"{settings.OIDC_ISSUER.rstrip('/')}/.well-known/openid-configuration")
        if str(document["issuer"]).rstrip("/") != settings.OIDC_ISSUER.rstrip("/"):
            raise NotSignedIn("the discovery document is another issuer's")
        if not all(is_issuer(str(document[name])) for name in ("token_endpoint", "jwks_uri")):
            raise NotSignedIn("the discovery document names an address without https")
        if origin_of(str(document["authorization_endpoint"])) != origin_of(settings.OIDC_ISSUER):
            raise NotSignedIn("the authorization endpoint is not at the issuer's host: browsers do not go there")
        return document

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> Any:
        """Return a sign-in with the claims of the signed token; what else the issuer may tell is not asked for."""
        return self.get_provider().sociallogin_from_response(request, self._checked(kwargs["response"]["id_token"]))

    def _checked(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that is signed by the issuer, meant for Floorline, and not too old.

        allauth leaves out the signature of a token that it has fetched itself.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                _key_of(token, _read(self.openid_config["jwks_uri"])),
                algorithms=ALGORITHMS,
                audience=settings.OIDC_CLIENT_ID,
                issuer=self.openid_config["issuer"],
                leeway=CLOCKS_APART_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise NotSignedIn(f"no valid token ({type(error).__name__})") from error
        if claims.get("azp", settings.OIDC_CLIENT_ID) != settings.OIDC_CLIENT_ID:
            raise NotSignedIn("the token was made for another client")
        return claims


class IssuerProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """The issuer as allauth knows it: of people it takes nothing but who they are there."""

    oauth2_adapter_class = Issuer

    def extract_uid(self, data: dict[str, Any]) -> str:
        """Return the issuer's name of somebody, which is not stored."""
        return str(data["sub"])[:100]

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return nothing: names and addresses are what administrators have written."""
        return {}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[Any]:
        """Return none: nobody is found by an address."""
        return []


def provider_of(request: HttpRequest) -> IssuerProvider:
    """Return the issuer that is configured."""
    app = SocialApp(
        provider="openid_connect",
        provider_id="oidc",
        name=settings.OIDC_NAME,
        client_id=settings.OIDC_CLIENT_ID,
        secret=settings.OIDC_CLIENT_SECRET,
        settings={
            "server_url": settings.OIDC_ISSUER.rstrip("/"),
            "oauth_pkce_enabled": True,
            "scope": ["openid", "profile"],
        },
    )
    return IssuerProvider(request, app=app)


def way_to_issuer(request: HttpRequest, *, wanted: str | None) -> HttpResponse:
    """Return the way to the issuer, with a question that only this browser can bring the answer to."""
    nonce = secrets.token_urlsafe(24)
    response: HttpResponse = provider_of(request).redirect(
        request, process="login", next_url=wanted, nonce=nonce, auth_params={"nonce": nonce}
    )
    return response


def origin_of(url: str) -> str:
    """Return the scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _read(url: str) -> dict[str, Any]:
    with get_adapter().get_requests_session() as session:
        answer = session.get(url)
    answer.raise_for_status()
    return dict(answer.json())


def _key_of(token: str, document: dict[str, Any]) -> jwt.PyJWK:
    """Return the issuer's key that a token names; it may leave that out where there is one."""
    keys, name = jwt.PyJWKSet.from_dict(document).keys, jwt.get_unverified_header(token).get("kid")
    fitting = [key for key in keys if name in {None, key.key_id} and key.public_key_use in {None, "sig"}]
    if len(fitting) != 1:
        raise NotSignedIn("the token is signed by no key of the issuer")
    return fitting[0]


def _user_of(claims: dict[str, Any]) -> User:
    name = claims.get(settings.OIDC_USERNAME_CLAIM)
    found = User.objects.filter(username=name).first() if isinstance(name, str) and "\0" not in name else None
    if found is None:
        raise NotSignedIn("unknown here", _("You are not known here by the name that you have there. Ask an admin."))
    if not found.is_active:
        deactivated = _("Your account is deactivated. Ask an admin.")
        raise NotSignedIn("deactivated", deactivated, username=found.get_username())
    return found


def _proves_second_factor(claims: dict[str, Any]) -> bool:
    """Return whether the issuer says that it has asked for a second factor, in a word that is said to count."""
    used = claims.get("amr")
    return isinstance(used, list) and any(word in settings.OIDC_SECOND_FACTOR for word in used if isinstance(word, str))

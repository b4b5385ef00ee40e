"""Serves single sign-on: the way to the issuer, and the way back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps

from allauth.account.utils import get_next_redirect_url
from allauth.core import ratelimit
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.signals import user_login_failed
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from dashboard.signing_in.single_sign_on import METHOD, NO_ANSWER, Issuer, NotSignedIn, way_to_issuer

log = logging.getLogger(__name__)
View = Callable[[HttpRequest], HttpResponse]
_ODD = (KeyError, TypeError, ValueError, AttributeError)
"""Errors about an answer of the issuer that has not the form it should have."""


def _where_it_is_configured(view: View) -> View:
    """Answer only where there is an issuer; tell a refusal on the sign-in page and in the audit."""

    @wraps(view)
    def answering(request: HttpRequest) -> HttpResponse:
        if not settings.OIDC:
            raise Http404
        if request.user.is_authenticated:
            return redirect(get_next_redirect_url(request) or settings.LOGIN_REDIRECT_URL)
        try:
            return view(request)
        except NotSignedIn as refused:
            return _told(request, refused)
        except NO_ANSWER as error:
            log.warning("the issuer of single sign-on cannot be asked (%s): look at OIDC_ISSUER", type(error).__name__)
            sentence = _("%(name)s does not answer. Try again in a minute.") % {"name": settings.OIDC_NAME}
            return _told(request, NotSignedIn("the issuer does not answer", sentence))
        except _ODD as error:
            return _told(request, NotSignedIn(f"no valid answer ({type(error).__name__})"))

    return login_not_required(answering)


@_where_it_is_configured
def to_issuer(request: HttpRequest) -> HttpResponse:
    """Send somebody who pressed the button to the issuer."""
    if request.method != "POST":
        return redirect("login")
    if not ratelimit.consume(request, action="single_sign_on"):
        throttled: HttpResponse = ratelimit.respond_429(request)
        return throttled
    return way_to_issuer(request, wanted=get_next_redirect_url(request))


@_where_it_is_configured
def back(request: HttpRequest) -> HttpResponse:
    """Sign in somebody whom the issuer sends back, or tell why not."""
    if request.method != "GET":
        return HttpResponse(status=405, headers={"Allow": "GET"})
    response: HttpResponse = OAuth2CallbackView.adapter_view(Issuer(request, "oidc"))(request)
    return response


def _told(request: HttpRequest, refused: NotSignedIn) -> HttpResponse:
    log.warning("single sign-on: %s", refused.why)
    credentials = {"username": refused.username, "refused": f"by {METHOD}: {refused.why}"}
    user_login_failed.send(sender=__name__, credentials=credentials, request=request)
    messages.error(request, refused.sentence)
    return redirect("login")

"""Checks that every page about an error names the product and leads back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.views import defaults

SignIn = Callable[[User], Client]
BRAND = '<p class="brand"><a href="/">Floorline</a></p>'
BACK = '<a class="button strong" href="/">'


@pytest.mark.parametrize(
    ("name", "context"),
    [
        ("400.html", {}),
        ("403.html", {}),
        ("403_csrf.html", {"is_from_elsewhere": True, "origin": "https://other.example"}),
        ("403_csrf.html", {"is_from_elsewhere": False}),
        ("404.html", {}),
        ("500.html", {}),
        ("busy.html", {"seconds": 5}),
        ("stopped.html", {"silent": True}),
        ("stopped.html", {"silent": False}),
    ],
)
def test_a_page_about_an_error_names_the_product_and_leads_back(name: str, context: dict[str, object]) -> None:
    page = render_to_string(name, context)
    assert BRAND in page
    assert BACK in page
    assert "<h1>" in page


def test_what_is_malformed_is_told_on_a_page_of_ours(kim: User, page_of: SignIn) -> None:
    answer = page_of(kim).post("/theme/", {"theme": "blue"})
    assert answer.status_code == 400
    assert "Nothing was done." in answer.content.decode()
    assert BRAND in answer.content.decode()


def test_djangos_own_errors_are_told_on_pages_of_ours(rf: RequestFactory) -> None:
    request = rf.get("/")
    for answer, status in (
        (defaults.permission_denied(request, PermissionDenied()), 403),
        (defaults.page_not_found(request, LookupError()), 404),
        (defaults.server_error(request), 500),
    ):
        assert answer.status_code == status
        assert BRAND in answer.content.decode()

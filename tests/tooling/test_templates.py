"""No template needs more than `default-src 'self'`, and none speaks an older htmx."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.tooling.processes import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# {# … #}, {% … %} and {{ … }} become a blank word: what stays is HTML in every branch at once.
DJANGO = re.compile(r"{#.*?#}|{%\s*comment.*?endcomment\s*%}|{%.*?%}|{{.*?}}", re.DOTALL)
OF_HTMX_2 = {"hx-disabled-elt", "hx-ext", "hx-params", "hx-prompt", "hx-vars", "sse-connect", "sse-swap", "ws-connect"}


class Reader(HTMLParser):
    """Collects what the content security policy forbids and what htmx 4 no longer knows."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.faults += [f"<{tag} {name}>: {fault}" for name, value in attrs for fault in faults_of(name, value or "")]
        if tag == "script" and "src" not in names and names.get("type") != "application/json":
            self.faults.append("<script> without src: scripts are files")
        if tag == "style":
            self.faults.append("<style>: styles are files")
        for name in ("src", "srcset") + (("href",) if tag == "link" else ()):
            if re.match(r"(https?:)?//", names.get(name) or ""):
                self.faults.append(f"<{tag} {name}>: comes from elsewhere")


def faults_of(name: str, value: str) -> Iterator[str]:
    """Yield what is wrong with one attribute."""
    if name.startswith("on"):
        yield "an inline handler"
    if name == "style":
        yield "an inline style"
    if name.startswith(("hx-on", "data-hx-on")):
        yield "needs unsafe-eval"
    if name.startswith("hx-") and re.match(r"\s*(js|javascript):", value):
        yield "needs unsafe-eval"
    if name.startswith("hx-trigger") and "[" in value:
        yield "a filter needs unsafe-eval"
    if re.match(r"\s*javascript:", value):
        yield "a script in an address"
    if name in OF_HTMX_2:
        yield "htmx 4 does not know it"


def faults_in(template: str) -> list[str]:
    """Return what is wrong with a template's text."""
    reader = Reader()
    reader.feed(DJANGO.sub(" ", template))
    reader.close()
    return reader.faults


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_keeps_to_the_policy(path: Path) -> None:
    assert faults_in(path.read_text()) == []


@pytest.mark.parametrize(
    "fault",
    [
        "<script>alert(1)</script>",
        '<script src="https://cdn.example.com/x.js"></script>',
        "<style>p { color: red }</style>",
        '<link rel="stylesheet" href="//cdn.example.com/x.css">',
        '<p style="color: red">',
        '<button onclick="go()">',
        '<button hx-on:click="go()">',
        "<div hx-vals='js:{now: Date.now()}'>",
        "<div hx-trigger=\"keyup[key=='Enter']\">",
        '<a href="javascript:go()">',
        '<div {% if live %}sse-swap="message"{% endif %}>',
    ],
)
def test_the_lint_sees(fault: str) -> None:
    assert faults_in(fault)


def test_the_lint_lets_what_is_right_pass() -> None:
    template = """
        {# onclick= #}{% load i18n %}<script type="module" src="{% static 'js/floor.js' %}"></script>
        <div hx-sse:connect="{% url 'stream' %}?{{ query }}" hx-trigger="load, every 5s" hx-swap="none"></div>
        <form hx-post="{% url 'role' %}" hx-status:422="swap:innerHTML"><a href="https://telnyx.com/">x</a></form>
    """

    assert faults_in(template) == []

"""No template needs more than `default-src 'self'`, and none speaks an older htmx."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template import Engine

from dashboard.rendering.joined_lines import joined
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
    assert faults_in(joined(path.read_text())) == []


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
def test_the_lint_reports_a_fault(fault: str) -> None:
    assert faults_in(fault)


def test_the_lint_reports_nothing_for_a_correct_template() -> None:
    template = """
        {# onclick= #}{% load i18n %}<script type="module" src="{% static 'js/floor.js' %}"></script>
        <div hx-sse:connect="{% url 'stream' %}?{{ query }}" hx-trigger="load, every 5s" hx-swap="none"></div>
        <form hx-post="{% url 'role' %}" hx-status:422="swap:innerHTML"><a href="https://telnyx.com/">x</a></form>
    """

    assert faults_in(template) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_can_be_read_and_compared_line_by_line(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if len(line) > 160] == []
    # A space here would end the joining, and one after the join is only indentation: both would be lost unseen.
    assert [line for line in path.read_text().splitlines() if line.endswith("\\ ")] == []


def test_joined_lines_keep_no_indentation_and_every_space_before_the_backslash() -> None:
    assert joined('<tr id="a" \\\n    class="b">\\\n  <td>\n') == '<tr id="a" class="b"><td>\n'


def test_a_row_is_sent_without_the_line_breaks_of_its_template() -> None:
    row = Engine.get_default().get_template("floor/_conference.html").source
    assert "\n" not in str(row).strip()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_button_says_only_where_it_posts_to(path: Path) -> None:
    """The tag `posts` writes the rest, once for all buttons."""
    assert re.findall(r"<button[^>]*\bhx-(?:post|swap|status)", DJANGO.sub(" ", joined(path.read_text()))) == []

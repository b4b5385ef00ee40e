"""Checks style sheets and icons: a column has a name, every sheet is loaded, and an icon is drawn once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.tooling.processes import ROOT

SHEETS = sorted((ROOT / "static" / "css").glob("*.css"))
TEMPLATES = "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))
ICONS = [ROOT / "static" / "icons.svg", *sorted((ROOT / "static" / "icons").glob("*.svg"))]


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.name)
def test_a_style_sheet_is_loaded_and_counts_no_columns(path: Path) -> None:
    text = path.read_text()
    assert re.search(rf"""static ["']css/{path.name}["']""", TEMPLATES)
    assert "nth-child" not in text


def test_every_icon_is_drawn_once_and_has_the_name_that_templates_use() -> None:
    drawn = "".join(path.read_text() for path in ICONS)
    names = re.findall(r'\bid="([\w-]+)"', drawn)
    assert [name for name, count in Counter(names).items() if count > 1] == []
    strokes = Counter(re.findall(r' d="([^"]+)"', drawn))
    assert [stroke for stroke, count in strokes.items() if count > 1 and len(stroke) > 30] == []
    used = set(re.findall(r'{% icon "([\w-]+)" %}', TEMPLATES))
    assert used - set(names) == set()


SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
LONGEST = 125


@pytest.mark.parametrize("path", [*SHEETS, *SCRIPTS], ids=lambda path: path.name)
def test_no_line_of_a_style_sheet_or_script_is_too_long_to_read(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert [number for number, line in enumerate(lines, start=1) if len(line) > LONGEST] == []


def luminance(colour: str) -> float:
    """Return how light a colour is, as WCAG 2 counts it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_who_talks_can_be_told_apart_in_the_bar_without_telling_colours_apart(theme: int) -> None:
    tokens = (ROOT / "static" / "css" / "tokens.css").read_text()
    pairs = [re.search(rf"--{name}: light-dark\((#\w+), (#\w+)\)", tokens) for name in ("bar", "bar-2")]
    light, dark = sorted((luminance(pair.groups()[theme]) for pair in pairs if pair), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3

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

"""Holds docs/telnyx-facts.md against the code, the probe's questions and the contract suite."""

from __future__ import annotations

import re
from pathlib import Path

from conferences.probe import QUESTIONS
from tests.tooling.processes import ROOT

ROW = re.compile(r"^\| (T\d\d) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
NAMED = re.compile(r"\bT\d\d\b")


def rows() -> dict[str, tuple[str, ...]]:
    """Return the rows of the page's tables by their ids."""
    found = ROW.findall((ROOT / "docs" / "telnyx-facts.md").read_text())
    assert len({row[0] for row in found}) == len(found)
    return {row[0]: row[1:] for row in found}


def told_by(way: str) -> set[str]:
    return {number for number, row in rows().items() if way in row[-1].split(", ")}


def python_files() -> list[Path]:
    return [path for folder in ("conferences", "dashboard", "tests") for path in (ROOT / folder).rglob("*.py")]


def test_the_probe_judges_exactly_the_facts_that_the_page_says_in_the_same_words() -> None:
    assert {question.fact: question.text for question in QUESTIONS} == {
        number: rows()[number][0] for number in told_by("probe")
    }


def test_the_contract_suite_tests_exactly_the_facts_that_the_page_says() -> None:
    text = (ROOT / "tests" / "contract" / "test_facts.py").read_text()
    assert set(re.findall(r'@fact\("(T\d\d)"\)', text)) == told_by("contract")


def test_every_fact_that_the_code_names_is_on_the_page() -> None:
    named = {(number, path) for path in python_files() for number in NAMED.findall(path.read_text())}
    assert {(number, path) for number, path in named if number not in rows()} == set()


def test_every_module_of_the_page_exists() -> None:
    modules = {row[1].strip("`") for row in rows().values()}
    assert {module for module in modules if not (ROOT / module).is_file()} == set()


def test_what_is_documented_is_documented_by_telnyx() -> None:
    for number, (_fact, _module, standing, *_rest) in rows().items():
        assert ("](https://developers.telnyx.com/" in standing) is standing.startswith("[documented]"), number

"""Checks what the documents promise about settings and commands."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

from dashboard.cli import COMMANDS
from tests.tooling.processes import ROOT

PAGES = [*ROOT.glob("*.md"), *ROOT.glob("deploy/*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md")]

SETTINGS_READ = re.compile(r'(?:env\.\w+\(|words\(|read\(env\.\w+, |read\(\s*env\.\w+,\s*)"([A-Z_]+)"')
ENVIRON_READ = re.compile(r'os\.environ\.get\("([A-Z_]+)"')
ROW = re.compile(r"^\| `([A-Z_]+)` \|", re.MULTILINE)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    read = set(SETTINGS_READ.findall((ROOT / "dashboard" / "settings.py").read_text()))
    read |= set(ENVIRON_READ.findall((ROOT / "dashboard" / "gunicorn.conf.py").read_text()))

    assert set(ROW.findall((ROOT / "docs" / "settings.md").read_text())) == read


def test_every_check_is_documented() -> None:
    numbers = set(re.findall(r'"floorline\.([EW][0-9]+)"', (ROOT / "dashboard" / "checks.py").read_text()))
    text = (ROOT / "docs" / "settings.md").read_text().replace("E002 – E005", "E002 E003 E004 E005")

    assert set(re.findall(r"[EW][0-9]{3}", text)) == numbers


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"(?:^|`|&& )make (?:-C \S+ )?([a-z]+)", path.read_text(), re.MULTILINE)) <= targets


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_command_that_is_named_exists(path: Path) -> None:
    named = set(
        re.findall(r"(?:^|`|/bin/|-- |exec floorline )floorline ([a-z][a-z_-]*)", path.read_text(), re.MULTILINE)
    )

    assert named <= {*COMMANDS, *get_commands()}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_leads_somewhere(path: Path) -> None:
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            missing.append(target)

    assert missing == []


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site both make them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def recipes() -> str:
    """Return what the architecture says about where to change things, its pictures included."""
    return (ROOT / "docs" / "architecture.md").read_text()


def names_in(paragraph: str) -> set[str]:
    """Return the Python names in backticks that a recipe tells the reader to look for."""
    return set(re.findall(r"`([A-Za-z_]+(?:\.[A-Za-z_]+)*)`", paragraph))


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:\w+/)+(?:[\w.]+)?)`", recipes()))))
def test_every_path_that_the_architecture_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("paragraph", re.split(r"\n\n|\n(?=\|)", recipes().partition("## Recipes")[2].strip()))
def test_every_name_of_a_recipe_is_in_a_module_that_the_recipe_names(paragraph: str) -> None:
    paths = re.findall(r"`((?:conferences|dashboard|tests)/[\w/]+)\.py`", paragraph)
    modules = [importlib.import_module(path.replace("/", ".")) for path in paths]
    for name in names_in(paragraph):
        assert any(_has(module, name) for module in modules), f"{name} is in none of {paths}"


def _has(module: object, name: str) -> bool:
    for part in name.split("."):
        if not hasattr(module, part):
            return False
        module = getattr(module, part)
    return True


def stations() -> list[str]:
    """Return the modules in the pictures of both ways, as a reader looks for them."""
    pictures = [(ROOT / "docs" / name).read_text() for name in ("way-in.svg", "way-out.svg")]
    found = [text for picture in pictures for text in re.findall(r'class="module"[^>]*>([^<]+)<', picture)]
    assert len(found) > 20
    return sorted({name for text in found for name in text.split(", ")})


@pytest.mark.parametrize("name", stations())
def test_every_station_of_the_two_pictures_is_a_module(name: str) -> None:
    found = [ROOT / wing / f"{name}{ending}" for wing in ("conferences", "dashboard") for ending in (".py", "")]
    assert any(path.exists() for path in found)


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^- \[(.+)\]\((.+)\)$", (folder / "index.md").read_text(), re.MULTILINE)

    assert {name: title for title, name in listed} == {
        path.name: path.read_text().splitlines()[0].removeprefix("# ") for path in folder.glob("0*.md")
    }


def test_every_picture_is_taken_by_the_one_command() -> None:
    named = {target for path in PAGES for target in re.findall(r"pictures/([\w-]+)\.png", path.read_text())}

    program = (ROOT / "docs" / "take_pictures.py").read_text()
    taken = set(re.findall(r'_take\(page, "([\w-]+)"\)', program)) | set(re.findall(r'"([\w-]+)\.png"', program))

    assert named == taken


@pytest.mark.slow
def test_the_site_is_built_strictly_and_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "zensical.toml", tmp_path)

    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    pages = list((tmp_path / "site").rglob("*.html"))
    assert {page.stem for page in pages} >= {path.stem for path in (ROOT / "docs").glob("*.md")}
    fetched = re.compile(r'<(?:script|link|img|iframe|source)[^>]*(?:src|href)="((?:https?:)?//[^"]+)"')
    assert [found for page in pages for found in fetched.findall(page.read_text())] == []
    # The script that would draw them comes from elsewhere, so a reader would see their source.
    assert [page.name for page in pages if 'class="mermaid"' in page.read_text()] == []


def test_no_lock_file_names_an_index() -> None:
    for path in ROOT.glob("requirements*.lock"):
        lines = path.read_text().splitlines()
        assert lines
        assert [line for line in lines if "://" in line or line.startswith("-")] == []


def test_every_locked_package_carries_hashes() -> None:
    for path in ROOT.glob("requirements*.lock"):
        packages = re.split(r"\n(?=\S)", path.read_text().strip())
        assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []

"""What the documents promise about settings and commands is so."""

from __future__ import annotations

import re

import pytest

from tests.tooling.processes import ROOT

SETTINGS_READ = re.compile(r'(?:env\.\w+\(|words\(|read\(env\.\w+, |read\(\s*env\.\w+,\s*)"([A-Z_]+)"')
ENVIRON_READ = re.compile(r'os\.environ\.get\("([A-Z_]+)"')
ROW = re.compile(r"^\| `([A-Z_]+)` \|", re.MULTILINE)


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    read = set(SETTINGS_READ.findall((ROOT / "dashboard" / "settings.py").read_text()))
    read |= set(ENVIRON_READ.findall((ROOT / "dashboard" / "gunicorn.conf.py").read_text()))

    assert set(ROW.findall((ROOT / "docs" / "operations.md").read_text())) == read


def test_every_check_is_documented() -> None:
    numbers = set(re.findall(r'"floorline\.([EW][0-9]+)"', (ROOT / "dashboard" / "checks.py").read_text()))
    text = (ROOT / "docs" / "operations.md").read_text().replace("E002 – E005", "E002 E003 E004 E005")

    assert set(re.findall(r"[EW][0-9]{3}", text)) == numbers


@pytest.mark.parametrize("name", ["README.md", "docs/operations.md", "docs/telnyx-setup.md", "deploy/README.md"])
def test_every_make_target_that_is_named_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / name).read_text(), re.MULTILINE)) <= targets


def test_no_lock_file_names_an_index() -> None:
    for path in ROOT.glob("requirements*.lock"):
        lines = path.read_text().splitlines()
        assert lines
        assert [line for line in lines if "://" in line or line.startswith("-")] == []


def test_every_locked_package_carries_hashes() -> None:
    for path in ROOT.glob("requirements*.lock"):
        packages = re.split(r"\n(?=\S)", path.read_text().strip())
        assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []

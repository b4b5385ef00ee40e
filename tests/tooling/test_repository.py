"""Checks that licence, workflow, hooks and version fit what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import yaml

from dashboard import __version__
from tests.tooling.processes import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def workflow() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    return found


def test_the_licence_is_the_apache_licence_in_full() -> None:
    text = (ROOT / "LICENSE").read_text()

    assert "Apache License\n                           Version 2.0" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text()


def test_the_notice_names_every_vendored_package() -> None:
    vendored = re.findall(
        r'^name = "(\w+)[^"]*"\nversion = "(.+)"', (ROOT / "static/vendor/vendor.toml").read_text(), re.M
    )

    assert vendored
    assert [
        f"{name} {version}" for name, version in vendored if f"{name} {version}" not in (ROOT / "NOTICE").read_text()
    ] == []


def test_the_workflow_runs_everything_beside_a_postgresql() -> None:
    test = workflow()["jobs"]["test"]
    ran = [step["run"] for job in workflow()["jobs"].values() for step in job["steps"] if "run" in step]

    assert set(ran) == {"make test", "make audit", "make docs"}
    assert [command for command in ran if not re.search(rf"^{command.split()[1]}:", MAKEFILE, re.MULTILINE)] == []
    assert test["services"]["postgres"]["image"].startswith("postgres:")
    assert test["env"]["TEST_POSTGRES_URL"].startswith("postgres://postgres@127.0.0.1:5432/")


def test_the_hooks_are_the_linters_of_make_lint_and_fetch_nothing() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"] for repository in repositories for hook in repository["hooks"]]

    assert [repository["repo"] for repository in repositories] == ["local"]
    linted = (
        MAKEFILE[MAKEFILE.index("\nlint:") : MAKEFILE.index("\nunit:")]
        .replace("$(PY)", "python")
        .replace("$(VENV)/bin/", "")
    )
    assert [
        entry for entry in entries if " ".join(entry.split()[:3]) not in linted and entry.split()[0] not in linted
    ] == []


def test_a_hook_passes_what_make_lint_passes_though_it_is_handed_each_file_by_name() -> None:
    """Ruff lints an excluded file that is named, and Django writes migrations in its own style."""
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"].split() for hook in repositories[0]["hooks"] if " ruff " in hook["entry"]]

    assert entries
    for _python, *rest in entries:
        named = [sys.executable, *rest, "conferences/migrations/0001_initial.py", "manage.py"]
        assert subprocess.run(named, cwd=ROOT, capture_output=True, text=True, check=False).returncode == 0


def test_the_changes_begin_with_this_version() -> None:
    assert re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == __version__


def test_no_file_names_the_host_of_a_registry() -> None:
    hosts = r"docker\.io|ghcr\.io|quay\.io|pypi\.org|pythonhosted\.org|registry\.npmjs\.org"
    found = subprocess.run(["git", "grep", "-lE", hosts], cwd=ROOT, capture_output=True, text=True, check=False)

    assert [name for name in found.stdout.split() if name != "tests/tooling/test_repository.py"] == []

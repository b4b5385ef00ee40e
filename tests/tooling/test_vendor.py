"""Vendored files are what their package published."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"


def listed() -> dict[str, str]:
    """Return path below static/vendor → sha256, as vendor.toml has it."""
    packages = tomllib.loads((VENDOR / "vendor.toml").read_text())["package"]
    return {f"{package['folder']}/{name}": digest for package in packages for name, digest in package["sha256"].items()}


def test_every_vendored_file_is_listed_and_unchanged() -> None:
    files = (path for path in VENDOR.rglob("*") if path.is_file() and path.name != "vendor.toml")
    found = {path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert found == listed()


def test_every_vendored_package_carries_its_licence() -> None:
    packages = tomllib.loads((VENDOR / "vendor.toml").read_text())["package"]

    assert all(package["licence"] and "LICENSE" in package["sha256"] for package in packages)

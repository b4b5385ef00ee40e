"""Names the programs that Floorline starts: itself and gunicorn, wherever it was installed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent  # dashboard
MANAGE = PACKAGE.parent / "manage.py"
GUNICORN_CONFIG = PACKAGE / "gunicorn.conf.py"


def floorline(*arguments: str) -> list[str]:
    """Return the command that runs one of ours: in a checkout through manage.py, installed through the package."""
    itself = [str(MANAGE)] if MANAGE.is_file() else ["-m", "dashboard"]
    return [sys.executable, *itself, *arguments]


def gunicorn(*arguments: str) -> list[str]:
    """Return the command that serves pages, streams and webhooks."""
    return [sys.executable, "-m", "gunicorn", "-c", str(GUNICORN_CONFIG), *arguments]


def as_typed() -> str:
    """Return how somebody types `floorline` here, so that what we print works as written."""
    script = Path(sys.executable).with_name("floorline")
    if not script.is_file():
        return f"{sys.executable} {MANAGE}"
    found = shutil.which("floorline")
    return "floorline" if found and Path(found).samefile(script) else str(script)

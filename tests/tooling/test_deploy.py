"""What `deploy/` says fits the code that it starts: nobody builds the image or runs nginx on every change."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from django.conf import settings

from conferences.ingest import ANSWER_SECONDS
from tests.tooling.processes import ROOT

DEPLOY = ROOT / "deploy"
TELNYX_WAITS = 2.0
UNITS = sorted(DEPLOY.glob("*/*.service"))


def seconds(text: str) -> float:
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text.removesuffix("s"))


def nginx(name: str, *, inside: str) -> float:
    """Return the first time of this name after these words."""
    found = re.search(rf"^\s*{name} (\w+);", (DEPLOY / "nginx.conf").read_text().partition(inside)[2], re.MULTILINE)
    assert found, (name, inside)
    return seconds(found[1])


def test_the_image_holds_what_the_settings_name_and_nothing_beside_it() -> None:
    copied = set(re.findall(r"^COPY (\S+) \S+$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE))
    ours = {app for app in settings.INSTALLED_APPS if (ROOT / app).is_dir()}
    folders = {folder.name for folder in settings.STATICFILES_DIRS} | {"templates"}

    assert copied == ours | folders | {"manage.py", "requirements.lock"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_what_there_is_and_may_write_where_it_must(unit: Path) -> None:
    text = unit.read_text()
    started = re.findall(r"^ExecStart(?:Pre)?=/srv/floorline/\.venv/bin/(.+)$", text, re.MULTILINE)

    assert started
    for line in started:
        named = re.search(r"manage\.py (\w+)|-c (\S+)", line)
        assert named
        command, file = named.groups()
        there = (
            (ROOT / file).exists()
            if file
            else command == "collectstatic" or bool(list(ROOT.glob(f"*/management/commands/{command}.py")))
        )
        assert there, line
        if command in {"collectstatic", "serve"}:
            assert "ReadWritePaths=/srv/floorline/staticfiles" in text


def test_every_web_node_collects_its_own_static_files() -> None:
    assert (
        "ExecStartPre=/srv/floorline/.venv/bin/python manage.py collectstatic"
        in (DEPLOY / "many" / "floorline-web.service").read_text()
    )


def test_nginx_asks_a_second_node_while_telnyx_still_waits() -> None:
    webhooks = "location ~ ^/webhooks/telnyx"
    late = nginx("proxy_read_timeout", inside=webhooks)

    assert nginx("proxy_connect_timeout", inside=webhooks) < late < ANSWER_SECONDS < TELNYX_WAITS


def test_nginx_leaves_an_idle_connection_before_gunicorn_does() -> None:
    gunicorn = runpy.run_path(str(ROOT / "dashboard" / "gunicorn.conf.py"))

    for upstream in ("upstream floorline {", "upstream floorline_webhooks {"):
        assert nginx("keepalive_timeout", inside=upstream) < gunicorn["keepalive"]

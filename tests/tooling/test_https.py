"""Cookies, headers and redirects of an installation behind https, and the addresses that count as Telnyx'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .processes import ROOT

pytestmark = pytest.mark.slow

PROGRAM = """
import json, django
django.setup()
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, override_settings
plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
override_settings(STORAGES={**settings.STORAGES, "staticfiles": plain}).enable()
call_command("migrate", verbosity=0)
User.objects.create_user("kim", password="kim-password-1")
behind = {"Host": "floor.example.com", "X-Forwarded-Proto": "https"}
client = Client(headers=behind)
def told(answer):
    return {"status": answer.status_code, "headers": dict(answer.headers),
            "cookies": {name: morsel.OutputString() for name, morsel in answer.cookies.items()}}
page = client.get("/accounts/login/", headers={"Origin": "https://evil.example"})
form = {"username": "kim", "login": "kim", "password": "kim-password-1"}
away = ["https://evil.example/", "//evil.example", r"/\\\\evil.example", "javascript:alert(1)", "https:evil.example"]
print(json.dumps({
    "sign-in page": told(page),
    "signed in": told(client.post("/accounts/login/?next=/ear/", form)),
    "floor": told(client.get("/ear/", headers={"Origin": "https://evil.example"})),
    "away": [Client(headers=behind).post(
        "/accounts/login/", {**form, "next": address}).headers.get("Location", "") for address in away],
    "back": [client.post("/theme/", {"theme": "dark"}, headers={"Referer": address}).headers["Location"]
             for address in [*away, "https://floor.example.com.evil.example/", "http://floor.example.com/"]],
    "htmx": client.post("/leave/", headers={
        "HX-Request": "true", "HX-Current-URL": "https://evil.example/?conference=x"}).headers.get("HX-Push-Url", ""),
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what an installation answers whose PUBLIC_URL is https, as its proxy asks it."""
    printed: dict[str, Any] = json.loads(run(PROGRAM, tmp_path_factory.mktemp("https")))
    return printed


def run(program: str, home: Path, **variables: str) -> str:
    environment = {
        "PATH": os.environ["PATH"], "FLOORLINE_HOME": str(home), "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "PUBLIC_URL": "https://floor.example.com", "SECRET_KEY": "a-key-for-a-test-" * 4, "STATIC_ROOT": str(home),
        **variables,
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_cookies_belong_to_this_host_alone_and_travel_encrypted(told: dict[str, Any]) -> None:
    cookies = {**told["sign-in page"]["cookies"], **told["signed in"]["cookies"]}
    assert {"__Host-floorline", "__Host-floorline-csrf"} <= cookies.keys()
    for name, cookie in cookies.items():
        parts = {part.strip().lower() for part in cookie.split(";")}
        assert {"secure", "path=/", "samesite=lax"} <= parts, name
        assert not [part for part in parts if part.startswith("domain")], name
    assert "httponly" in cookies["__Host-floorline"].lower()


@pytest.mark.parametrize("page", ["sign-in page", "floor"])
def test_pages_come_over_https_alone_for_nobody_elses_scripts_and_into_no_cache(
    told: dict[str, Any], page: str
) -> None:
    headers = told[page]["headers"]
    assert told[page]["status"] == 200
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "no-store" in headers["Cache-Control"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_nobody_is_led_to_another_site(told: dict[str, Any]) -> None:
    assert told["signed in"]["headers"]["Location"] == "/ear/"
    assert set(told["away"]) == {"/"}
    assert set(told["back"]) == {"/"}
    assert "evil" not in told["htmx"]


BASES = {
    "https://api.telnyx.com/v2": True,
    "https://api.telnyx.eu/v2": True,
    "http://127.0.0.1:8001/v2": True,
    "http://[::1]:8001/v2": True,
    "http://localhost:8001/v2": True,
    "http://api.telnyx.com/v2": False,
    "https://api.telnyx.com.evil.example/v2": False,
    "https://api.telnyx.com@evil.example/v2": False,
    "https://evil.example/api.telnyx.com": False,
    "http://127.0.0.1.evil.example/v2": False,
    "http://localhost.evil.example/v2": False,
    "http://169.254.169.254/v2": False,
    "http://10.0.0.5/v2": False,
    "http://0.0.0.0/v2": False,
    "file:///etc/passwd": False,
    "api.telnyx.com": False,
}


def test_a_key_goes_to_telnyx_or_to_this_machine_and_nowhere_else(tmp_path: Path) -> None:
    """The settings refuse any other address, so that no process gets as far as opening a socket."""
    program = f"""
import importlib, json, os, sys
from django.core.exceptions import ImproperlyConfigured
taken = {{}}
for base in {list(BASES)!r}:
    os.environ["TELNYX_API_BASE"] = base
    sys.modules.pop("dashboard.settings", None)
    try:
        importlib.import_module("dashboard.settings")
        taken[base] = True
    except ImproperlyConfigured as error:
        taken[base] = False
        assert "TELNYX_API_BASE" in str(error)
print(json.dumps(taken))
"""
    assert json.loads(run(program, tmp_path)) == BASES

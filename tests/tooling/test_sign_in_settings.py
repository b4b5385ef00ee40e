"""The environment says who needs a second factor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tooling.processes import ROOT

REAL, SANDBOX = "https://api.telnyx.com/v2", "http://127.0.0.1:9/v2"


def settings_of(home: Path, **environment: str) -> tuple[str, str]:
    """Return who needs a second factor, and why the settings are refused."""
    words = "from dashboard import settings; print(*sorted(settings.SECOND_FACTOR_FOR))"
    given = {"PATH": os.environ["PATH"], "FLOORLINE_HOME": str(home), **environment}
    done = subprocess.run(
        [sys.executable, "-c", words], cwd=ROOT, env=given, capture_output=True, text=True, check=False
    )
    return done.stdout.strip(), done.stderr.strip().rpartition("\n")[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "said", "needing"),
    [
        (REAL, None, "barge staff"),
        (REAL, "", ""),
        (REAL, "staff", "staff"),
        (SANDBOX, None, ""),
        (SANDBOX, "staff, barge", "barge staff"),
    ],
)
def test_a_real_account_asks_staff_and_bargers_unless_it_is_said_otherwise(
    tmp_path: Path, base: str, said: str | None, needing: str
) -> None:
    environment = {} if said is None else {"SECOND_FACTOR_FOR": said}
    assert settings_of(tmp_path, TELNYX_API_BASE=base, **environment) == (needing, "")


@pytest.mark.slow
def test_a_word_that_means_nobody_known_is_refused(tmp_path: Path) -> None:
    assert "SECOND_FACTOR_FOR may name staff and barge" in settings_of(tmp_path, SECOND_FACTOR_FOR="leads")[1]


@pytest.mark.slow
@pytest.mark.parametrize("url", ["mail.example.com", "https://mail.example.com", "smtp://host:port"])
def test_what_names_no_mail_server_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    refusal = settings_of(tmp_path, EMAIL_URL=url)[1]
    assert "EMAIL_URL" in refusal
    assert "Write submission://user:password@host:587" in refusal


OIDC = {"OIDC_ISSUER": "https://login.example.com/realms/floor", "OIDC_CLIENT_ID": "f", "OIDC_CLIENT_SECRET": "s3cret"}


@pytest.mark.slow
@pytest.mark.parametrize("missing", [*OIDC, "OIDC_ISSUER OIDC_CLIENT_ID OIDC_CLIENT_SECRET"])
def test_half_of_single_sign_on_is_refused(tmp_path: Path, missing: str) -> None:
    given = {name: value for name, value in OIDC.items() if name not in missing.split()}
    refusal = settings_of(tmp_path, **given, OIDC_NAME="Company account")[1]
    assert "needs OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET" in refusal
    assert "s3cret" not in refusal


@pytest.mark.slow
@pytest.mark.parametrize(
    ("issuer", "allowed"),
    [
        ("https://login.example.com:8443/realms/floor", True),
        ("http://127.0.0.1:8080", True),
        ("http://login.example.com", False),
        ("login.example.com", False),
        ("https://user:password@login.example.com", False),
        ("https://login.example.com/; script-src *", False),
    ],
)
def test_an_issuer_is_an_address_over_https_or_of_this_machine(tmp_path: Path, issuer: str, *, allowed: bool) -> None:
    refusal = settings_of(tmp_path, **{**OIDC, "OIDC_ISSUER": issuer})[1]
    assert ("OIDC_ISSUER must be an https address" in refusal) is not allowed
    assert "s3cret" not in refusal

"""Builds the environment of `serve --sandbox`: own keys, and the sandbox as the Telnyx API."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from conferences.sandbox.center import directory
from conferences.sandbox.webhooks import signing

SANDBOX_HOST = "127.0.0.1"
"""The sandbox speaks to this machine only, whatever HOST says."""
EVERY_ADDRESS = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104  # recognised here, never bound by default
OF_THE_SANDBOX = frozenset({"SANDBOX_API_KEY", "SANDBOX_SIGNING_SEED"})
"""The variables that only the sandbox's process may know."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Made once for an installation and kept in var/, so that sessions and signatures outlive a restart."""

    api_key: str = field(repr=False)
    signing_seed: str = field(repr=False)
    field_key: str = field(repr=False)


def names_a_real_account(environment: Mapping[str, str]) -> bool:
    """Return whether TELNYX_API_KEY looks like one of Telnyx', which begin with KEY."""
    return environment.get("TELNYX_API_KEY", "").strip().upper().startswith("KEY")


def complete(environment: Mapping[str, str], *, var: Path, sandbox_port: int, password: str = "") -> dict[str, str]:
    """Return the environment in which settings see the sandbox as their only Telnyx account."""
    keys = _keys(var / "sandbox.json")
    return {
        # A demo that is open to the network is reached under whatever name the machine has there.
        **({"ALLOWED_HOSTS": "*"} if environment.get("HOST") in EVERY_ADDRESS else {}),
        # Not the default of a real installation: the demo shows what there is.
        "AGENTS_SEE_LISTENING": "now",
        **environment,
        "SECRET_KEY": environment.get("SECRET_KEY") or _kept(var / "secret_key", secrets.token_urlsafe(50)),
        "FIELD_KEYS": environment.get("FIELD_KEYS") or keys.field_key,
        "TELNYX_API_BASE": f"http://{SANDBOX_HOST}:{sandbox_port}/v2",
        "TELNYX_API_KEY": keys.api_key,
        "TELNYX_PUBLIC_KEY": signing.public_key(keys.signing_seed),
        "TELNYX_CONNECTION_ID": directory.EAR_CONNECTION_ID,
        "TELNYX_FROM_NUMBER": directory.FROM_NUMBER,
        **(
            {"FLOORLINE_DEMO_PASSWORD": password} if password and not environment.get("FLOORLINE_DEMO_PASSWORD") else {}
        ),
        "SANDBOX_API_KEY": keys.api_key,
        "SANDBOX_SIGNING_SEED": keys.signing_seed,
    }


def of_the_sandbox(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the sandbox's process gets: nothing of the dashboard's secrets, database or account."""
    secret = ("TELNYX_", "SECRET_KEY", "FIELD_KEYS", "DATABASE_URL", "FLOORLINE_DEMO_PASSWORD")
    return {name: value for name, value in environment.items() if not name.startswith(secret)}


def of_the_dashboard(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the other processes get: they never learn what signs the sandbox's webhooks."""
    return {name: value for name, value in environment.items() if name not in OF_THE_SANDBOX}


def _keys(path: Path) -> Keys:
    fresh = Keys(
        api_key=f"sandbox-{secrets.token_urlsafe(24)}",
        signing_seed=secrets.token_hex(32),
        field_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    )
    return Keys(**json.loads(_kept(path, json.dumps(asdict(fresh)))))


def _kept(path: Path, fresh: str) -> str:
    """Return the file's text; write `fresh` first, readable by its owner only, where there is no file."""
    try:
        return path.read_text()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123  # needs the mode
        file.write(fresh)
    try:
        os.link(draft, path)  # the first process wins, and no other reads a half-written file
    except FileExistsError:
        return path.read_text()
    finally:
        draft.unlink()
    return fresh

"""Before anything starts: the right database, the right keys, a free address."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from conferences.models import Account, DatabaseStamp
from dashboard.serving import ports, preparation, sandbox_environment


@pytest.mark.django_db
@pytest.mark.parametrize(("mine", "sentence"), [(True, "belongs to a real account"), (False, "belongs to the sandbox")])
def test_a_database_of_the_other_mode_is_refused(settings: Settings, mine: bool, sentence: str) -> None:
    settings.SANDBOX = not mine
    preparation.stamp()
    settings.SANDBOX = mine

    with pytest.raises(preparation.CannotStart, match=sentence):
        preparation.stamp()
    with pytest.raises(preparation.CannotStart, match=sentence):
        preparation.migrate(say=lambda _: None)


@pytest.mark.django_db
def test_a_database_keeps_its_stamp_and_may_be_served_again(settings: Settings) -> None:
    settings.SANDBOX = True

    preparation.stamp()
    preparation.stamp()

    assert [stamp.sandbox for stamp in DatabaseStamp.objects.all()] == [True]


@pytest.mark.django_db
def test_the_sandbox_leaves_an_unstamped_database_with_an_account_alone(settings: Settings) -> None:
    settings.SANDBOX = True
    Account.objects.create(name="Main")

    with pytest.raises(preparation.CannotStart, match="leaves it alone"):
        preparation.stamp()


@pytest.mark.django_db
def test_the_first_account_is_opened_once_and_completed_by_the_environment(settings: Settings) -> None:
    settings.TELNYX_CONNECTION_ID = "2781903345512846583"

    preparation.open_default_account()
    preparation.open_default_account()

    assert [account.credentials().ear_connection_id for account in Account.objects.all()] == ["2781903345512846583"]


def test_the_sandbox_keys_are_made_once_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    first = sandbox_environment.complete({}, var=tmp_path, sandbox_port=8001)
    second = sandbox_environment.complete({}, var=tmp_path, sandbox_port=8001)

    assert first == second
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {
        "sandbox.json": 0o600,
        "secret_key": 0o600,
    }
    assert set(json.loads((tmp_path / "sandbox.json").read_text())) == {"api_key", "signing_seed", "field_key"}


def test_two_installations_share_no_key(tmp_path: Path) -> None:
    one = sandbox_environment.complete({}, var=tmp_path / "one", sandbox_port=8001)
    two = sandbox_environment.complete({}, var=tmp_path / "two", sandbox_port=8001)

    assert {name for name in one if one[name] == two[name]} == {
        "TELNYX_API_BASE",
        "TELNYX_CONNECTION_ID",
        "TELNYX_FROM_NUMBER",
        "AGENTS_SEE_LISTENING",
    }


def test_each_process_learns_only_its_own_secrets(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgres://floor:secret@db/floor", "PATH": os.environ["PATH"]}
    everything = sandbox_environment.complete(given, var=tmp_path, sandbox_port=8001)

    others = {"PATH", "AGENTS_SEE_LISTENING"}
    assert set(sandbox_environment.of_the_sandbox(everything)) - others == {"SANDBOX_API_KEY", "SANDBOX_SIGNING_SEED"}
    assert not any(name.startswith("SANDBOX_") for name in sandbox_environment.of_the_dashboard(everything))


@pytest.mark.parametrize(("key", "real"), [("KEY0123", True), (" key0123", True), ("sandbox-abc", False), ("", False)])
def test_a_real_key_is_recognised(key: str, real: bool) -> None:
    assert sandbox_environment.names_a_real_account({"TELNYX_API_KEY": key}) is real


def test_a_taken_port_is_named_and_the_next_free_one_found() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        assert f"Port {port} of localhost is taken" in str(ports.problem_with("localhost", port))
        assert (ports.next_free("127.0.0.1", port) or 0) > port


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    assert "is not an address of this machine" in str(ports.problem_with(host, 0))


def test_one_sqlite_database_is_served_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "sqlite")
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "floor.sqlite3"))
    held = preparation.hold_database()
    assert held

    with pytest.raises(preparation.CannotStart, match=r"already serves floor\.sqlite3"):
        preparation.hold_database()

    held.close()
    again = preparation.hold_database()
    assert again
    again.close()

"""`floorline backup` and `floorline restore`, as an operator types them, on SQLite or on PostgreSQL."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection

from tests.tooling.conftest import without_settings
from tests.tooling.processes import ROOT

pytestmark = pytest.mark.slow
SANDBOX = "http://127.0.0.1:9/v2"
STAMP = "from conferences.models import DatabaseStamp; DatabaseStamp.objects.create(sandbox={sandbox})"
TEAM = "from conferences.models import Team; Team.objects.create(name='Billing')"
SEALED = """
from django.utils import timezone
from conferences.audit_chain.sealing import Sealer
from conferences.models import AuditEntry
AuditEntry.objects.create(at=timezone.now(), action="ended")
Sealer().step(now=timezone.now())
"""
CHANGED = "from conferences.models import AuditEntry; AuditEntry.objects.update(detail='nothing happened')"
TEAMS = "from conferences.models import Team; print('teams:', list(Team.objects.values_list('name', flat=True)))"


@dataclass
class Installation:
    """A database of its own, and the commands of an operator on it."""

    folder: Path
    url: str
    sandbox: bool = False
    variables: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        mode = {"TELNYX_API_BASE": SANDBOX} if self.sandbox else {}
        self.variables = {**without_settings(self.folder), "DATABASE_URL": self.url, **mode}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dashboard", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.variables, capture_output=True, text=True, timeout=60, check=False
        )

    def fill(self) -> None:
        """Make it a floor's database, with one team and one sealed entry in the audit."""
        assert self.run("migrate", "-v0").returncode == 0
        assert self.run("shell", "-v0", "-c", f"{STAMP.format(sandbox=self.sandbox)}\n{TEAM}\n{SEALED}").returncode == 0

    def teams(self) -> str:
        return self.run("shell", "-v0", "-c", TEAMS).stdout.strip()


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Installation]:
    """Return an installation of a real account."""
    yield from _installation(tmp_path, sandbox=False)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Installation]:
    """Return another installation of the same kind, whose database is empty."""
    yield from _installation(tmp_path / "other", sandbox=False)


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Installation]:
    """Return an installation of the sandbox, whose database is empty."""
    yield from _installation(tmp_path / "toy", sandbox=True)


def _installation(folder: Path, *, sandbox: bool) -> Iterator[Installation]:
    folder.mkdir(exist_ok=True)
    if connection.vendor == "sqlite":
        yield Installation(folder, f"sqlite:///{folder}/floor.sqlite3", sandbox=sandbox)
        return
    import psycopg

    known = settings.DATABASES["default"]
    server = f"postgres://{known['USER']}:{known['PASSWORD']}@{known['HOST']}:{known['PORT'] or 5432}"
    name = f"floorline_backup_{uuid4().hex}"
    with closing(psycopg.connect(f"{server}/postgres", autocommit=True)) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        yield Installation(folder, f"{server}/{name}", sandbox=sandbox)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@dataclass(frozen=True)
class Saved:
    """A backup, and the installation that it was made of."""

    installation: Installation
    path: Path


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saved]:
    """Return a backup of a database with one team; made once, because migrating a database takes seconds."""
    for installation in _installation(tmp_path_factory.mktemp("saved"), sandbox=False):
        installation.fill()
        path = installation.folder / "saved"
        done = installation.run("backup", str(path))
        assert done.returncode == 0, done.stderr
        yield Saved(installation, path)


@pytest.fixture
def backup(saved: Saved) -> Path:
    return saved.path


def test_a_backup_brings_everything_into_an_empty_database(backup: Path, other: Installation) -> None:
    restored = other.run("restore", str(backup))

    assert restored.returncode == 0, restored.stderr
    assert other.teams() == "teams: ['Billing']"


def test_a_restored_audit_holds_and_still_cannot_be_changed(backup: Path, other: Installation) -> None:
    other.run("restore", str(backup))

    changed = other.run("shell", "-v0", "-c", CHANGED)

    assert changed.returncode != 0
    assert "append-only" in changed.stderr
    assert "The audit holds. Entries: 1, segments: 1." in other.run("verify-audit").stdout


def test_only_its_owner_may_read_a_backup_and_the_keys_beside_it_are_named(backup: Path, saved: Saved) -> None:
    told = saved.installation.run("backup").stdout

    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert "SECRET_KEY and FIELD_KEYS" in told
    assert Path(told.split(" (")[0]).parent == saved.installation.folder / "var" / "backups"


def test_a_backup_overwrites_nothing(backup: Path, saved: Saved) -> None:
    before = backup.read_bytes()

    again = saved.installation.run("backup", str(backup))

    assert (again.returncode, backup.read_bytes()) == (1, before)
    assert "exists already" in again.stderr


def test_a_database_without_tables_is_not_backed_up(mine: Installation) -> None:
    mine.run("shell", "-v0", "-c", "from django.db import connection; connection.cursor().execute('SELECT 1')")

    refused = mine.run("backup", str(mine.folder / "saved"))

    assert (refused.returncode, (mine.folder / "saved").exists()) == (1, False)
    assert "nothing of Floorline in this database yet" in refused.stderr


@pytest.mark.parametrize("command", ["createsuperuser", "changepassword", "rebuild"])
def test_a_command_that_meets_a_database_without_tables_says_so_in_one_sentence(
    mine: Installation, command: str
) -> None:
    given = {"createsuperuser": ["--noinput", "--username", "zoe"], "changepassword": ["zoe"]}

    refused = mine.run(command, *given.get(command, []))

    assert refused.returncode == 1
    assert "does not have the tables of this version yet" in refused.stderr
    assert "migrate" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_backup_of_a_real_account_does_not_come_into_a_sandbox(backup: Path, toy: Installation) -> None:
    refused = toy.run("restore", str(backup))

    assert refused.returncode == 1
    assert "belongs to a real account, and Floorline is set up for the sandbox" in refused.stderr


def test_a_database_of_the_other_mode_is_left_alone(saved: Saved, toy: Installation) -> None:
    toy.fill()
    mistaken = Installation(saved.installation.folder, toy.url)

    refused = mistaken.run("restore", str(saved.path))

    assert refused.returncode == 1
    assert toy.teams() == "teams: ['Billing']"
    assert "belongs to the sandbox" in refused.stderr or "is not empty" in refused.stderr


def test_a_database_that_is_in_use_is_not_restored_into(backup: Path, other: Installation) -> None:
    other.run("migrate", "-v0") if connection.vendor == "sqlite" else None
    waiting = [sys.executable, "-m", "dashboard", "shell", "-v0", "-c"]
    program = (
        "from django.db import connection; connection.cursor().execute('SELECT 1'); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [*waiting, program], cwd=ROOT, env=other.variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout
        assert user.stdin
        assert user.stdout.readline() == "open\n"
        refused = other.run("restore", str(backup))
        user.stdin.write("\n")
        user.stdin.close()

    assert refused.returncode == 1
    assert "Stop Floorline" in refused.stderr


def test_what_is_no_backup_is_refused(other: Installation, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear Ana,")

    refused = other.run("restore", str(tmp_path / "letter"))

    assert refused.returncode == 1
    assert "no backup of a Floorline database" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_backup_of_a_newer_version_is_refused(mine: Installation, other: Installation) -> None:
    mine.fill()
    later = "from django.db.migrations.recorder import MigrationRecorder as R; from django.db import connection as c\n"
    mine.run("shell", "-v0", "-c", f"{later}R(c).record_applied('conferences', '9999_later')")
    assert mine.run("backup", str(other.folder / "later")).returncode == 0

    refused = other.run("restore", str(other.folder / "later"))

    assert refused.returncode == 1
    assert "newer version of Floorline (9999_later)" in refused.stderr

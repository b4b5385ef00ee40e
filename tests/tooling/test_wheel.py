"""The wheel, installed into an empty environment, as somebody who has never seen the repository gets it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.servers import free_port
from tests.tooling.conftest import starting, without_settings
from tests.tooling.person import Person
from tests.tooling.processes import ROOT, SOON, Marked, eventually, status_of

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(600)]
FLOORLINE = "bin/floorline"


@dataclass(frozen=True)
class Installed:
    """An empty environment with the wheel in it, and the environment variables of a fresh user."""

    folder: Path
    variables: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `floorline` away from the repository, and return what it said."""
        return subprocess.run(
            [str(self.folder / FLOORLINE), *arguments],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [built] = folder.glob("floorline-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", str(wheel)]
    subprocess.run(pip, check=True, cwd=folder)
    bare = without_settings(folder)
    kept = {name: bare[name] for name in bare.keys() - {"VAR_DIR", "VIRTUAL_ENV", "PYTHONPATH"}}
    home = folder.parent / "home"
    home.mkdir()
    return Installed(folder, {**kept, "HOME": str(home), "PORT": str(free_port())})


@pytest.fixture(scope="module")
def demo(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marked]:
    """Serve the demo of the installed wheel from a folder that is not the repository."""
    with starting(tmp_path_factory.mktemp("demo")) as start:
        away = ["env", "-C", str(installed.folder), str(installed.folder / FLOORLINE), "demo", "--calls", "6"]
        served = start(away, installed.variables)
        assert eventually(lambda: "Floorline is open" in served.said(), within=120), served.said()
        yield served


def test_the_wheel_holds_templates_static_files_migrations_and_licences(installed: Installed) -> None:
    [packages] = installed.folder.glob("lib/python*/site-packages")

    for name in ("templates/base.html", "static/css/base.css", "static/vendor/htmx/4.0.1/LICENSE", "gunicorn.conf.py"):
        assert (packages / "dashboard" / name).is_file(), name
    assert (packages / "conferences" / "migrations" / "0001_initial.py").is_file()
    assert {path.name for path in packages.glob("floorline-*/licenses/*")} >= {"LICENSE", "NOTICE"}
    assert not (packages / "tests").exists()


def test_the_command_says_its_version_and_lists_its_commands(installed: Installed) -> None:
    assert re.fullmatch(r"floorline \d+\.\d+\.\d+\n", installed.run("--version").stdout)
    listed = installed.run("--help").stdout
    names = ("serve", "demo", "web", "worker", "createsuperuser", "doctor", "probe", "backup", "restore")
    assert [name for name in names if f"  {name} " not in listed] == []


def test_a_whisper_is_verified_on_the_demo_of_the_installed_wheel(installed: Installed, demo: Marked) -> None:
    url = f"http://localhost:{installed.variables['PORT']}"
    assert status_of(f"{url}/accounts/login/") == 200
    kim = Person(url, "kim")
    call = re.compile(r'name="monitor" value="([0-9a-f-]{36})"')
    assert eventually(lambda: bool(call.search(kim.get("/"))), within=SOON)
    found = call.search(kim.get("/"))
    assert found
    place = f"/conferences/{found[1]}/"

    kim.post(f"{place}role/", kim.get(place), role="monitor")
    assert eventually(lambda: bool(re.search(r"Confirmed by Telnyx", kim.get(place))), within=SOON), kim.get(place)
    page = kim.get(place)
    fields = {
        name: re.findall(rf'name="{name}"[^>]*value="([0-9a-f-]{{36}})"', page) for name in ("targets", "audience")
    }
    kim.post(f"{place}role/", page, role="whisper", targets=fields["targets"][:1], audience=fields["audience"])

    def only_the_agent_hears() -> bool:
        return bool(re.search(r"Only .+ hears? you", text := kim.get(place))) and "Confirmed by Telnyx" in text

    assert eventually(only_the_agent_hears, within=SOON), kim.get(place)


def test_data_lies_in_the_users_home_and_nothing_in_the_packages(installed: Installed, demo: Marked) -> None:
    data = Path(installed.variables["HOME"]) / ".local" / "share" / "floorline"

    assert (data / "sandbox.sqlite3").is_file()
    assert (data / "staticfiles" / "staticfiles.json").is_file()
    written = [path for path in installed.folder.rglob("*") if path.suffix in {".sqlite3", ".serving", ".json"}]
    assert [path for path in written if "staticfiles" in path.parts or "sandbox" in path.name] == []


def test_the_demo_refuses_to_run_beside_a_real_key(installed: Installed) -> None:
    variables = {**installed.variables, "TELNYX_API_KEY": "KEY0123456789", "PORT": str(free_port())}

    refused = Installed(installed.folder, variables).run("demo")

    assert refused.returncode == 1
    assert "the sandbox does not run beside one" in refused.stderr
    assert "0123456789" not in refused.stderr


def test_postgresql_without_its_extra_is_refused_in_one_sentence(installed: Installed) -> None:
    url = os.environ.get("TEST_POSTGRES_URL", "postgres://nobody@127.0.0.1:9/floor")

    refused = Installed(installed.folder, {**installed.variables, "DATABASE_URL": url}).run("migrate")

    assert refused.returncode == 1
    assert "floorline[postgres]" in refused.stderr
    assert "Traceback" not in refused.stderr

"""Checks `deploy/` against the code that it starts: nobody builds the image or runs nginx on every change."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from conferences.intake.endpoint import ANSWER_SECONDS
from conferences.webhook_addresses import takes_webhooks
from dashboard.cli import COMMANDS
from dashboard.serving.edge import MOST_CONNECTIONS, OTHER_DESCRIPTORS
from tests.tooling.processes import ROOT

DEPLOY = ROOT / "deploy"
TELNYX_WAITS = 2.0
UNITS = sorted(DEPLOY.glob("*/*.service"))
COMPOSE = sorted(DEPLOY.glob("*/compose.yaml"))


def seconds(text: str) -> float:
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text.removesuffix("s"))


def nginx(name: str, *, inside: str) -> float:
    """Return the first time of this name after these words."""
    found = re.search(rf"^\s*{name} (\w+);", (DEPLOY / "nginx.conf").read_text().partition(inside)[2], re.MULTILINE)
    assert found, (name, inside)
    return seconds(found[1])


def test_the_image_holds_what_the_settings_name_and_nothing_beside_it() -> None:
    lines = re.findall(r"^COPY (.+) \S+$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    copied = {name for line in lines for name in line.split()}
    ours = {app for app in settings.INSTALLED_APPS if (ROOT / app).is_dir()}
    folders = {folder.name for folder in settings.STATICFILES_DIRS} | {"templates"}

    assert copied == ours | folders | {"manage.py", "requirements.lock", "LICENSE", "NOTICE"}


def test_the_image_is_nobodys_in_particular_and_tells_its_health() -> None:
    text = (DEPLOY / "Containerfile").read_text()

    assert re.search(r"^ARG BASE=\S+:\S+\nFROM \$\{BASE\}$", text, re.MULTILINE)
    told = re.findall(r"^(RUN FLOORLINE_HOME|USER|HEALTHCHECK|ENTRYPOINT|CMD) ?", text, re.MULTILINE)
    assert told == ["RUN FLOORLINE_HOME", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"]
    assert not re.search(r"^(FROM|ARG BASE=)\s*[^\s/]+\.[^\s/]+/", text, re.MULTILINE), "names the host of a registry"


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_what_there_is_and_writes_to_its_own_folder_alone(unit: Path) -> None:
    text = unit.read_text()
    started = re.findall(r"^ExecStart(?:Pre)?=/srv/floorline/\.venv/bin/floorline (\S+)", text, re.MULTILINE)

    assert started
    assert [command for command in started if not is_command(command)] == []
    assert "ProtectSystem=strict" in text
    assert "ReadWritePaths" not in text
    assert "FLOORLINE_HOME=/var/lib/floorline STATIC_ROOT=/var/lib/floorline/staticfiles" in text


def is_command(name: str) -> bool:
    return name in COMMANDS or name in get_commands()


def test_every_web_node_collects_its_own_static_files() -> None:
    web = (DEPLOY / "many" / "floorline-web.service").read_text()

    assert "ExecStartPre=/srv/floorline/.venv/bin/floorline collectstatic" in web


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.parent.name)
def test_a_compose_file_starts_what_there_is_with_settings_that_exist(path: Path) -> None:
    services = yaml.safe_load(path.read_text())["services"]
    ours = [service for service in services.values() if service.get("image") == "floorline"]

    assert ours
    for service in ours:
        assert is_command(service["command"][0])
        assert set(service.get("environment", {})) <= documented()
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert (path.parent / service["env_file"]).resolve() == DEPLOY / "floorline.env"
    for service in services.values():
        for needed in service.get("depends_on", {}):
            assert needed in services


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.parent.name)
def test_a_service_whose_health_is_awaited_tells_it_whoever_built_the_image(path: Path) -> None:
    """podman builds images without the HEALTHCHECK of the Containerfile unless it is told otherwise."""
    services = yaml.safe_load(path.read_text())["services"]
    awaited = {
        name
        for service in services.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_healthy"
    }
    serving = {name for name, service in services.items() if service.get("command") in (["web"], ["serve"])}

    assert serving
    assert [name for name in awaited | serving if "test" not in services[name].get("healthcheck", {})] == []


def test_the_example_of_an_environment_names_settings_that_exist() -> None:
    names = re.findall(r"^([A-Z_]+)=", (DEPLOY / "floorline.env.example").read_text(), re.MULTILINE)

    assert names
    assert set(names) <= documented()


def documented() -> set[str]:
    return set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))


def nginx_of_many(template: Path) -> str:
    """Return the configuration that the composed nginx makes of a file."""
    services = yaml.safe_load((DEPLOY / "many" / "compose.yaml").read_text())["services"]
    program = services["nginx"]["command"][2].replace(
        "/template.conf >/etc/nginx/conf.d/default.conf", shlex.quote(str(template))
    )
    program = program.partition(" && ")[0]
    return subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=True).stdout


def test_two_nodes_stand_in_nginx_where_compose_puts_them() -> None:
    done = nginx_of_many(DEPLOY / "nginx.conf")

    servers = re.findall(r"^ *(server [^{\n]+)$", done, re.MULTILINE)
    assert servers == [
        "server web-1:8000; server web-2:8000;",
        "server web-1:8000 max_fails=0; server web-2:8000 max_fails=0;",
    ]


def test_nginx_finds_the_certificate_whatever_name_the_file_says(tmp_path: Path) -> None:
    adapted = tmp_path / "nginx.conf"
    adapted.write_text((DEPLOY / "nginx.conf").read_text().replace("floor.example.com", "calls.example.org"))
    services = yaml.safe_load((DEPLOY / "many" / "compose.yaml").read_text())["services"]
    mounts = [volume.split(":")[1] for volume in services["nginx"]["volumes"]]

    certificates = re.findall(r"^ *ssl_certificate(?:_key)? (.+)/\w+\.pem;$", nginx_of_many(adapted), re.MULTILINE)

    assert len(certificates) == 2
    assert set(certificates) <= set(mounts)


def test_nginx_asks_a_second_node_while_telnyx_still_waits() -> None:
    webhooks = "location ~ ^/webhooks/telnyx"
    late = nginx("proxy_read_timeout", inside=webhooks)

    assert nginx("proxy_connect_timeout", inside=webhooks) < late < ANSWER_SECONDS < TELNYX_WAITS


@pytest.mark.parametrize(
    "path",
    ["/webhooks/telnyx", "/webhooks/telnyx/", "/webhooks/telnyx/acme-europe/", "/webhooks/telnyx/a_2", "/"],
)
def test_nginx_hurries_webhooks_at_every_address_that_takes_them(path: str) -> None:
    found = re.search(
        r"location ~ (\S+) \{\n\s+proxy_pass http://floorline_webhooks", (DEPLOY / "nginx.conf").read_text()
    )

    assert found
    assert (re.search(found[1], path) is not None) is takes_webhooks(path)


def test_nginx_leaves_an_idle_connection_before_gunicorn_does() -> None:
    gunicorn = runpy.run_path(str(ROOT / "dashboard" / "gunicorn.conf.py"))

    for upstream in ("upstream floorline {", "upstream floorline_webhooks {"):
        assert nginx("keepalive_timeout", inside=upstream) < gunicorn["keepalive"]


@pytest.mark.parametrize("name", ["one-machine/floorline.service", "many/floorline-web.service"])
def test_a_unit_that_serves_pages_has_a_descriptor_for_each_connection(name: str) -> None:
    limit = re.search(r"^LimitNOFILE=(\d+)$", (DEPLOY / name).read_text(), re.MULTILINE)

    assert limit
    assert int(limit[1]) >= MOST_CONNECTIONS + OTHER_DESCRIPTORS

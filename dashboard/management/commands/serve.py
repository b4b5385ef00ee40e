"""Serves everything that Floorline is, in one command: `floorline serve`."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.management import BaseCommand, call_command
from django.db import connections

import dashboard.checks
from conferences.management.commands import demo
from conferences.webhook_addresses import PLAIN_PATH
from dashboard.serving import ports, preparation, process, programs, sandbox_environment
from dashboard.serving.launcher import Launcher, Part
from dashboard.serving.preparation import CannotStart

STORY = ("calls", "rate", "seed", "semantics", "monitor_muted", "fault_rate", "webhook_fault_rate")
"""The options that are the sandbox's own."""


class Command(BaseCommand):
    help = "Serves the dashboard and its worker; with --sandbox also a local Telnyx to play with."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--prepare", action="store_true", help="Migrate, check, collect static files, then end.")
        parser.add_argument("--parent", type=int, metavar="PID", help="End when this process is gone.")
        parser.add_argument("--sandbox", action="store_true", help="Play with a local Telnyx, not with an account.")
        story = parser.add_argument_group("with --sandbox")
        story.add_argument("--calls", type=int, help="How many calls to keep on the floor (40).")
        story.add_argument("--rate", type=float, help="How fast the story goes (1).")
        story.add_argument("--seed", type=int, help="The same seed tells the same story.")
        story.add_argument("--semantics", choices=["allow-list", "deny-list"], help="What whispering means.")
        story.add_argument("--monitor-muted", choices=["yes", "no"], help="Whether monitors read back as muted.")
        story.add_argument(
            "--fault-rate", type=float, help="The share of Telnyx' answers that go wrong, from 0 to 1 (0)."
        )
        story.add_argument(
            "--webhook-fault-rate",
            type=float,
            help="The share of webhooks lost, doubled and late, each from 0 to 1 (0).",
        )

    def handle(self, **options: Any) -> None:
        try:
            sys.exit(self._serve(**options))
        except CannotStart as refusal:
            sys.exit(f"floorline: {refusal}")
        except KeyboardInterrupt:
            sys.exit(130)

    def _serve(self, *, prepare: bool, parent: int | None, sandbox: bool, **options: Any) -> int:
        os.chdir(settings.WORKING_DIR)  # in a checkout the processes find their packages from here
        if not prepare:
            _refuse_taken_address()
        if sandbox and "SANDBOX_API_KEY" not in os.environ:
            _start_again_in_the_sandbox()
        process.raise_descriptor_limit()  # our parts inherit it
        preparation.tighten_files()
        held = preparation.hold_database()
        self._prepare()
        passwords: dict[str, str] = {}
        if sandbox:
            call_command("demo", calls=options["calls"] or demo.CALLS, verbosity=0)
            passwords = demo.set_passwords(in_the_open=settings.IN_THE_OPEN)
        else:
            preparation.open_default_account()
        if prepare:
            return 0
        greeting = _sandbox_greeting(passwords) if sandbox else _live_greeting()
        connections.close_all()
        launcher = Launcher(
            [*_dashboard(), *(_sandbox(options) if sandbox else ())],
            say=self._say,
            greet=lambda: self._greet(greeting),
            ready_url=f"{settings.LOCAL_URL}/healthz",
            parent=parent,
        )
        status = launcher.run()
        if held:
            held.close()
        return status

    def _prepare(self) -> None:
        preparation.migrate(say=self._say)
        found = checks.run_checks(tags=[dashboard.checks.TAG], include_deployment_checks=True, databases=["default"])
        for problem in found:
            number = str(problem.id).removeprefix("floorline.")
            self._say(" ".join(filter(None, [problem.msg, problem.hint, f"({number})"])))
        if any(problem.is_serious() for problem in found):
            raise CannotStart("Nothing was started. Fix the problems above and try again.")
        preparation.stamp()
        preparation.collect_static_files(say=self._say)

    def _greet(self, greeting: str) -> None:
        self.stdout.write(greeting)
        self.stdout.flush()  # into a file or a pipe it would otherwise stand there at the end

    def _say(self, sentence: str) -> None:
        self.stderr.write(f"floorline: {sentence}", lambda text: text)


def _refuse_taken_address() -> None:
    for address in settings.ADDRESSES:
        if problem := ports.problem_with(address, settings.PORT):
            raise CannotStart(problem)


def _start_again_in_the_sandbox() -> None:
    """Run this command anew in the sandbox's environment, as settings are read once."""
    if sandbox_environment.names_a_real_account(os.environ):
        raise CannotStart(
            "TELNYX_API_KEY holds what looks like a real key, and the sandbox does not run beside one. "
            f"Unset it (unset TELNYX_API_KEY), or serve the real account: {programs.as_typed()} serve"
        )
    port = ports.next_free(sandbox_environment.SANDBOX_HOST, settings.PORT + 1)
    if port is None:
        raise CannotStart(f"No port after {settings.PORT} is free for the sandbox. Choose another PORT.")
    environment = sandbox_environment.complete(
        os.environ, var=settings.FLOORLINE_HOME, sandbox_port=port, password=demo.PASSWORD
    )
    os.execve(sys.executable, programs.floorline(*sys.argv[1:]), environment)  # noqa: S606  # ourselves


def _dashboard() -> tuple[Part, Part]:
    environment = sandbox_environment.of_the_dashboard(os.environ)
    return (
        Part(name="dashboard", command=programs.gunicorn(), environment=environment, vital=True),
        Part(name="worker", command=programs.floorline("worker"), environment=environment),
    )


def _sandbox(options: Mapping[str, Any]) -> tuple[Part]:
    address = settings.SANDBOX_PAGE_URL.removeprefix("http://").strip("/").rpartition(":")
    story = [f"--{name.replace('_', '-')}={options[name]}" for name in STORY if options[name] is not None]
    command = [
        *(sys.executable, "-m", "conferences.sandbox"),
        *("--host", address[0], "--port", address[2]),
        *("--webhook-url", settings.LOCAL_URL + PLAIN_PATH, "--wait-for", f"{settings.LOCAL_URL}/healthz"),
        *story,
        *(["--show"] if options["calls"] is None else []),
    ]
    environment = sandbox_environment.of_the_sandbox(os.environ)
    return (Part(name="sandbox", command=command, environment=environment, outlives=True),)


def _live_greeting() -> str:
    text = f"Floorline is open: {settings.PUBLIC_URL}/ and takes webhooks at {settings.PUBLIC_URL}{PLAIN_PATH}"
    if not get_user_model().objects.exists():
        text += f"\nNobody can sign in yet. Make the first person with: {programs.as_typed()} createsuperuser"
    return text


def _sandbox_greeting(passwords: Mapping[str, str]) -> str:
    people = "\n".join(
        f"    {person.username:<8}{_password_of(person, passwords)}{person.what}" for person in demo.SIGN_INS
    )
    if settings.IN_THE_OPEN:
        how = """  WARNING: this demo can be reached from other machines. Its people have new passwords, told only here.

  Sign in as"""
    else:
        how = f"  Sign in, with the password {demo.PASSWORD}, as"
    return f"""
Floorline is open: {settings.PUBLIC_URL}/

{how}
{people}

  Try: sign in as kim, open a call, press Monitor, then Whisper to the agent, then Leave.
  The sandbox shows who hears whom: {settings.SANDBOX_PAGE_URL}

  Ctrl-C ends everything.
"""


def _password_of(person: demo.SignIn, passwords: Mapping[str, str]) -> str:
    return f"{passwords[person.username]}  " if person.username in passwords else ""

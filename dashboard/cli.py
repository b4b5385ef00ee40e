"""Runs `floorline`: a short list of commands, each of them a management command of Django."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from dashboard import __version__
from dashboard.serving import programs

COMMANDS = {
    "serve": "pages, webhooks and background work, for a real Telnyx account",
    "demo": "the same beside a local Telnyx that plays calls; needs no account",
    "web": "gunicorn alone, as one of several web nodes (further options are gunicorn's)",
    "worker": "the background work alone",
    "createsuperuser": "the first person who can sign in",
    "remove-second-factor": "let somebody in who has lost their phone and their recovery codes",
    "doctor": "look whether everything is as it must be, and say what to do",
    "probe": "find out on three test phones what an account does with roles, and write a report",
    "replay": "play a probe's capture against the sandbox, and say where they differ",
    "verify-audit": "find out whether the audit was changed",
    "rotate-secrets": "encrypt what is stored with the newest key",
    "backup": "write the database into one file, while everything runs",
    "restore": "bring a backup into an empty database",
}
MEANT = {
    "demo": ["serve", "--sandbox"],
    "probe": ["probe_telnyx"],
    "remove-second-factor": ["remove_second_factor"],
    "verify-audit": ["verify_audit"],
    "rotate-secrets": ["rotate_secrets"],
}
"""Django's names of the commands whose names differ."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    given = _parser().parse_args(arguments)
    if not given.command:
        _parser().print_help()
        return 2
    if given.command == "web":
        command = programs.gunicorn(*given.arguments)
        os.execv(command[0], command)  # noqa: S606  # systemd and container engines then watch gunicorn itself
    # `serve` starts itself anew from sys.argv, so the words there are Django's.
    sys.argv = ["floorline", *MEANT.get(given.command, [given.command]), *given.arguments]
    manage(sys.argv)
    return 0


def manage(argv: Sequence[str]) -> None:
    """Run a management command; a wrong setting or a database without tables is reported in one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415  # --version and --help need no Django
    from django.core.management import execute_from_command_line  # noqa: PLC0415
    from django.db import DatabaseError  # noqa: PLC0415

    try:
        execute_from_command_line(list(argv))
    except ImproperlyConfigured as error:
        # The operator can correct a wrong setting, so they see one sentence and no traceback.
        sys.exit(f"floorline: {error}")
    except DatabaseError:
        from dashboard.serving import preparation  # noqa: PLC0415  # it needs Django's models

        # `migrate` makes the tables, so what it meets is something else.
        if "migrate" not in argv and (why := preparation.why_unusable()):
            sys.exit(f"floorline: {why}")
        raise


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog="floorline",
        usage="floorline [--version] COMMAND [OPTIONS]",
        description="A dashboard for supervisors of call centers whose calls run as Telnyx conferences.",
        epilog="\n".join(
            [
                "commands:",
                *(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()),
                "",
                "Every other command of Django works too (migrate, check, rebuild, new_field_key, changepassword).",
                "`floorline COMMAND --help` lists the options of one.",
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"floorline {__version__}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser

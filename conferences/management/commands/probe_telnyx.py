"""Tests on a real account, with three phones and an operator who listens, how Telnyx treats roles."""

from __future__ import annotations

import json
import signal
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from conferences.models import Account
from conferences.probe import (
    Capture,
    Probe,
    ProbeFailed,
    ProbePhones,
    Question,
    as_data,
    in_brief,
    profile_of,
    store_profile,
)
from conferences.probe.client import ProbeClient
from conferences.probe.files import FileRefused, ProbeFiles, files_for

CONSENT = "dial"
UNTOUCHED = "The account's profile is as it was."
ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "?": None, "": None}


class Command(BaseCommand):
    help = (
        "Rings three test phones, walks a supervisor's line through every role, asks what each phone heard, and stores "
        "what this account does on the account. Writes a report without numbers, names and ids, to be shared. The "
        "calls cost what calls cost; all are hung up at the end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--supervisor", required=True, help="Number or SIP address of the supervisor's test phone.")
        parser.add_argument("--agent", required=True, help="Of the agent's test phone.")
        parser.add_argument("--customer", required=True, help="Of the customer's test phone.")
        parser.add_argument("--account", default="", help="The account's name, where there are several.")
        parser.add_argument(
            "--other-application",
            default="",
            metavar="ID",
            help="Dial agent and customer on this application, to see whether supervisors may join its conferences.",
        )
        parser.add_argument(
            "--report", type=Path, metavar="FILE.md", help="Where to write it; else floorline-probe-<time>.md here."
        )
        parser.add_argument(
            "--capture",
            type=Path,
            metavar="FILE.jsonl",
            help="Where to write every request, answer and webhook, redacted as the report is; else beside the report.",
        )
        parser.add_argument("--answers", type=Path, metavar="FILE", help="Answers as JSON instead of asking.")

    def handle(self, **options: Any) -> None:
        account = _account(options["account"])
        answers = _answers(options["answers"])
        phones = _phones(account, options)
        try:
            files = files_for(report=options["report"], capture=options["capture"], now=timezone.now())
        except FileRefused as refused:
            raise CommandError(f"{refused} Nothing was dialled.") from refused
        self._consent(account, phones, answers)
        capture = Capture()
        probe = Probe(
            client=client_of(account, capture),
            phones=phones,
            say=self.stdout.write,
            ask=self._ask if answers is None else _from(answers),
            pause=time.sleep,
            capture=capture,
        )
        failed = _walk(probe)
        if not failed:
            store_profile(account, profile_of(probe.findings), now=timezone.now())
        self._report(account, probe, capture, files, failed=failed)
        if failed:
            raise CommandError(f"{failed} {UNTOUCHED}")

    def _report(self, account: Account, probe: Probe, capture: Capture, files: ProbeFiles, *, failed: str) -> None:
        findings = probe.findings
        findings.webhooks = capture.take_webhooks(account)
        lines = capture.lines(api_base=account.credentials().api_base, region=account.region)
        data = as_data(lines, findings, profile_of(findings), failed=failed, telnyx=lines[0])
        files.write(data, lines)
        self.stdout.write(in_brief(data))
        self.stdout.write(
            f"Written: {files.page}, {files.data}, {files.capture}. Numbers, names and ids in them are replaced, so "
            "that you can share them."
        )

    def _consent(self, account: Account, phones: ProbePhones, answers: Mapping[str, Any] | None) -> None:
        self.stdout.write(
            f"On the account “{account}” this rings {phones.supervisor}, {phones.agent} and {phones.customer} from "
            f"{phones.from_number}, and lets them talk in a test conference for about ten minutes. Have the three "
            "phones at hand, apart from each other. Nothing else on the account is touched."
        )
        given = answers.get("consent") if answers is not None else input(f"Type “{CONSENT}” to begin: ").strip()
        if given != CONSENT:
            raise CommandError("Nothing was dialled.")

    def _ask(self, question: Question) -> bool | None:
        while True:
            given = input(f"{question.text} [y/n/?] ").strip().lower()
            if given in ANSWERS:
                return ANSWERS[given]
            self.stdout.write("Please type y, n, or ? where you cannot say.")


def _account(name: str) -> Account:
    accounts = Account.objects.order_by("pk")
    account = accounts.filter(name=name).first() if name else accounts.first()
    if account is None:
        raise CommandError("There is no such account. Set it up in the admin first.")
    return account


def _phones(account: Account, options: Mapping[str, Any]) -> ProbePhones:
    credentials = account.credentials()
    for value, what in (
        (credentials.api_key, "The API key"),
        (credentials.ear_connection_id, "The ear application"),
        (credentials.from_number, "The number to dial from"),
    ):
        if not value:
            raise CommandError(f"{what} of this account is not set. Set it in the admin or in the environment first.")
    addresses = [options["supervisor"], options["agent"], options["customer"]]
    if len(set(addresses)) < len(addresses):
        raise CommandError("Three different phones are needed: what each of them hears is the point.")
    return ProbePhones(
        supervisor=options["supervisor"],
        agent=options["agent"],
        customer=options["customer"],
        from_number=credentials.from_number,
        ear_connection_id=credentials.ear_connection_id,
        other_connection_id=options["other_application"],
    )


def client_of(account: Account, capture: Capture) -> ProbeClient:
    """Return the probe's client for an account, whose requests the capture records."""
    credentials = account.credentials()
    return ProbeClient(
        api_base=credentials.api_base, api_key=credentials.api_key, region=account.region, record=capture.note
    )


def _walk(probe: Probe) -> str:
    """Run the probe; return why it broke off, as a sentence, or "" where it did not."""
    # SIGTERM, too, runs the probe's `finally`, so that every phone is hung up.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        probe.run()
    except ProbeFailed as failed:
        return str(failed)
    except KeyboardInterrupt:
        return "Stopped."
    finally:
        signal.signal(signal.SIGTERM, before)
    return ""


def _answers(path: Path | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    try:
        answers = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} could not be read as JSON: {error}") from error
    if not isinstance(answers, dict):
        raise CommandError(f"{path} must hold one JSON object: question → true, false or null.")
    return answers


def _from(answers: Mapping[str, Any]) -> Callable[[Question], bool | None]:
    return lambda question: value if isinstance(value := answers.get(question.key), bool) else None

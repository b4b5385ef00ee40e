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
from conferences.probe import Probe, ProbeFailed, ProbePhones, Question, profile_of, report, store_profile
from conferences.probe.client import ProbeClient

CONSENT = "dial"
UNTOUCHED = "The account's profile is as it was."
ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "?": None, "": None}


class Command(BaseCommand):
    help = (
        "Rings three test phones, walks a supervisor's line through every role, asks what each phone heard, and stores "
        "what this account does on the account. The calls cost what calls cost; all are hung up at the end."
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
        parser.add_argument("--answers", type=Path, metavar="FILE", help="Answers as JSON instead of asking.")

    def handle(self, **options: Any) -> None:
        account = _account(options["account"])
        answers = _answers(options["answers"])
        phones = _phones(account, options)
        self._consent(account, phones, answers)
        probe = Probe(
            client=client_of(account),
            phones=phones,
            say=self.stdout.write,
            ask=self._ask if answers is None else _from(answers),
            pause=time.sleep,
        )
        # SIGTERM, too, runs the probe's `finally`, so that every phone is hung up.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            findings = probe.run()
        except ProbeFailed as failed:
            raise CommandError(f"{failed} {UNTOUCHED}") from failed
        except KeyboardInterrupt as interrupted:
            raise CommandError(f"Stopped. {UNTOUCHED}") from interrupted
        finally:
            signal.signal(signal.SIGTERM, before)
        profile = profile_of(findings)
        store_profile(account, profile, now=timezone.now())
        self.stdout.write(report(findings, profile, cross_application=bool(phones.other_connection_id)))

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


def client_of(account: Account) -> ProbeClient:
    """Return the probe's client for an account."""
    credentials = account.credentials()
    return ProbeClient(api_base=credentials.api_base, api_key=credentials.api_key, region=account.region)


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

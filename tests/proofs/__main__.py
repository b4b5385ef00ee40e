"""`python -m tests.proofs NAME --size N --seed S`: run one proof, resumable, and say how it went.

Every case is made from the seed and its own number, so a run that was broken off goes on where it was, and a case that
fails can be played again alone with --only.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from pathlib import Path
from random import Random

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="one case by its number")
    parser.add_argument("--go-on", action="store_true", help="play the cases after one that fails, too")
    options = parser.parse_args()
    django.setup()

    from django.conf import settings

    from tests.proofs.all import PROOFS

    if options.name not in PROOFS:
        print(f"The proofs are: {', '.join(PROOFS)}.")
        return 2
    proof = PROOFS[options.name]
    noted = Path(settings.FLOORLINE_HOME) / "proofs" / f"{options.name}-{options.seed}.json"
    known = json.loads(noted.read_text()) if noted.exists() and options.only is None else {}
    done, failed = known.get("done", 0), list[int](known.get("failed", []))
    print(f"{options.name}: {proof.claim} Seed {options.seed}, cases {done + 1} to {options.size}.")
    begun = time.monotonic()
    with proof.prepared() as check:
        gc.freeze()  # the collector need not look through the modules each time
        for number in [options.only] if options.only is not None else range(done, options.size):
            try:
                check(number, Random(f"{options.seed}/{number}"))
            except AssertionError as error:
                print(
                    f"Case {number} fails: {error}\nAgain: python -m tests.proofs {options.name} "
                    f"--seed {options.seed} --only {number}"
                )
                failed.append(number)
                if not options.go_on:
                    return 1
            if options.only is None and (number % 5 == 4 or number + 1 == options.size):
                noted.parent.mkdir(parents=True, exist_ok=True)
                noted.write_text(json.dumps({"done": number + 1, "failed": failed}))
    if failed:
        print(f"{options.name}: fails in cases {', '.join(map(str, failed))} of {options.size}.")
        return 1
    print(f"{options.name}: holds in {options.size} cases, {time.monotonic() - begun:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

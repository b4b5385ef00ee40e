"""Holds the facts against a real account, once somebody has agreed to it: `make contract`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .agreement import AGREED, NEEDED


def main() -> int:
    """Ask, and run the suite against the account that the environment names."""
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        sys.stderr.write(f"Nothing was dialled: {', '.join(missing)} must be set (docs/telnyx-facts.md).\n")
        return 2
    sys.stdout.write(
        f"On the account of FLOORLINE_CONTRACT_API_KEY this rings {os.environ['FLOORLINE_CONTRACT_PHONES']} several "
        "times and puts them into a test conference. Answer the first two calls; the others end by themselves. No "
        "other call is touched, and all are hung up at the end.\n"
    )
    if input("Type “dial” to begin: ").strip() != "dial":
        sys.stdout.write("Nothing was dialled.\n")
        return 1
    # The project's options keep tests off the network.
    facts = Path(__file__).with_name("test_facts.py")
    command = [sys.executable, "-m", "pytest", str(facts), "-v", "-o", "addopts=", "-p", "no:randomly"]
    return subprocess.call(command, env={**os.environ, AGREED: "dial"})


if __name__ == "__main__":
    sys.exit(main())

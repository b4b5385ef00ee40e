"""Runs the command line as a module: `python -m dashboard serve`."""

from __future__ import annotations

import sys

from dashboard.cli import main

if __name__ == "__main__":
    sys.exit(main())

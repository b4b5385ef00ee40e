"""Runs the sandbox: `python -m conferences.sandbox`."""

from __future__ import annotations

import os
import sys

from conferences.sandbox.serving.server import main

if __name__ == "__main__":
    main(sys.argv[1:], os.environ, parent=os.getppid())

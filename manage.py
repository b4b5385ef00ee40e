#!/usr/bin/env python
"""Runs Django's management commands."""

from __future__ import annotations

import sys

from dashboard.cli import manage

if __name__ == "__main__":
    manage(sys.argv)

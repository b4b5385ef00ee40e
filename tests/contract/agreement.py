"""Names what a run against a real account needs, and the sign that somebody has agreed to it."""

from __future__ import annotations

AGREED = "FLOORLINE_CONTRACT_AGREED"
"""Set by `python -m tests.contract` alone, once somebody has typed that it may dial."""
NEEDED = (
    "FLOORLINE_CONTRACT_API_KEY",
    "FLOORLINE_CONTRACT_CONNECTION_ID",
    "FLOORLINE_CONTRACT_FROM_NUMBER",
    "FLOORLINE_CONTRACT_PHONES",
)

"""What an account really does: a walk through all changes of role on three test phones, with the operator listening."""

from __future__ import annotations

from .findings import Findings, Profile, profile_of, store_profile
from .legs import Phones, ProbeFailed
from .report import report
from .walk import Probe, Question

__all__ = [
    "Findings",
    "Phones",
    "Probe",
    "ProbeFailed",
    "Profile",
    "Question",
    "profile_of",
    "report",
    "store_profile",
]

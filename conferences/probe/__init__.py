"""Probes an account: tries all changes of role on three test phones, with an operator who listens."""

from __future__ import annotations

from .capture import Capture
from .findings import Findings, Profile, profile_of, store_profile
from .legs import ProbeFailed, ProbePhones
from .report import report
from .walk import Probe, Question

__all__ = [
    "Capture",
    "Findings",
    "Probe",
    "ProbeFailed",
    "ProbePhones",
    "Profile",
    "Question",
    "profile_of",
    "report",
    "store_profile",
]

"""Probes an account: tries all changes of role on three test phones, with an operator who listens."""

from __future__ import annotations

from .capture import Capture
from .findings import Findings, Profile, profile_of, store_profile
from .legs import ProbeFailed, ProbePhones
from .questions import QUESTIONS, FactQuestion, FactVerdict
from .report import as_data, as_markdown, in_brief
from .walk import Probe, Question

__all__ = [
    "QUESTIONS",
    "Capture",
    "FactQuestion",
    "FactVerdict",
    "Findings",
    "Probe",
    "ProbeFailed",
    "ProbePhones",
    "Profile",
    "Question",
    "as_data",
    "as_markdown",
    "in_brief",
    "profile_of",
    "store_profile",
]

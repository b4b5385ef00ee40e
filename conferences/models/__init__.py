"""Defines the stored models: account, calls, people, rules, supervision, records, the audit's chain, own settings."""

from __future__ import annotations

from .account import Account, Connection
from .audit_chain import AuditAnchor, AuditOpening, AuditSeal, AuditSegment
from .calls import Conference, Leg, Participant
from .commands import Cause, Command
from .database import BoardVersion, DatabaseStamp, Lease
from .people import Agent, Line, Supervisor, Team, TeamMembership
from .personal import Note, NumberSearch, Preferences, SavedView
from .presence import Presence, Screen
from .records import AuditEntry, CachedValue, WebhookEvent
from .scope import Protection, TeamRule
from .supervision import Ear, Stop, SupervisorSession, UnsteeredLine

__all__ = [
    "Account",
    "Agent",
    "AuditAnchor",
    "AuditEntry",
    "AuditOpening",
    "AuditSeal",
    "AuditSegment",
    "BoardVersion",
    "CachedValue",
    "Cause",
    "Command",
    "Conference",
    "Connection",
    "DatabaseStamp",
    "Ear",
    "Lease",
    "Leg",
    "Line",
    "Note",
    "NumberSearch",
    "Participant",
    "Preferences",
    "Presence",
    "Protection",
    "SavedView",
    "Screen",
    "Stop",
    "Supervisor",
    "SupervisorSession",
    "Team",
    "TeamMembership",
    "TeamRule",
    "UnsteeredLine",
    "WebhookEvent",
]

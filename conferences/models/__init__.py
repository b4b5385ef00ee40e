"""Everything Floorline stores, by moment: the account, calls, people, supervision, records, personal things."""

from __future__ import annotations

from .account import Account, BoardVersion, Connection, DatabaseStamp, Lease
from .calls import Conference, Leg, Participant
from .people import Agent, Line, Team, TeamMembership
from .personal import Note, Preferences, SavedView
from .records import AuditEntry, WebhookEvent
from .supervision import Command, Ear, Presence, Screen, SupervisorSession

__all__ = [
    "Account",
    "Agent",
    "AuditEntry",
    "BoardVersion",
    "Command",
    "Conference",
    "Connection",
    "DatabaseStamp",
    "Ear",
    "Lease",
    "Leg",
    "Line",
    "Note",
    "Participant",
    "Preferences",
    "Presence",
    "SavedView",
    "Screen",
    "SupervisorSession",
    "Team",
    "TeamMembership",
    "WebhookEvent",
]

"""Lists the demo center: its teams, agents, numbers, connections, and its supervisors' phones.

The sandbox plays calls with it; the dashboard seeds its demo from it. Every number lies in a range kept for fiction
(North American 555-01xx) or is not assigned.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass

SIP_DOMAIN = "sip.telnyx.com"

CALLS_CONNECTION_ID = "2781903345512846337"
"""The center's own Call Control application: customers arrive here and agents' phones are dialled from here."""
EAR_CONNECTION_ID = "2781903345512846583"
"""The application on which supervisors' legs are dialled, and nothing else."""
CREDENTIAL_CONNECTION_ID = "2781903345512846412"
"""The credential connection on which agents' SIP phones are registered; calls from a phone arrive on it, parked."""

CONNECTION_NAMES = {
    CALLS_CONNECTION_ID: "calls",
    EAR_CONNECTION_ID: "ear",
    CREDENTIAL_CONNECTION_ID: "agents' phones",
}

FROM_NUMBER = "+18005550199"
"""Caller id of everything the center dials, supervisors' phones included."""


@dataclass(frozen=True, kw_only=True)
class DirectoryAgent:
    name: str
    team: str
    sip_username: str

    @property
    def reference(self) -> str:
        """Return what the center's call flow writes into the `agent` of its client_state."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode().lower()
        return plain.replace(" ", "-")

    @property
    def address(self) -> str:
        return f"sip:{self.sip_username}@{SIP_DOMAIN}"


@dataclass(frozen=True, kw_only=True)
class DirectoryTeam:
    name: str
    queue: str
    number: str
    """The number that customers dial to reach this team."""
    agents: tuple[DirectoryAgent, ...]


@dataclass(frozen=True, kw_only=True)
class Phone:
    owner: str
    label: str
    address: str


def _sip_username(key: str) -> str:
    """Return a user name of the form Telnyx generates, the same one for the same key."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
    digest = hashlib.sha256(f"floorline sandbox {key}".encode()).digest()
    return "gencred" + "".join(alphabet[byte % len(alphabet)] for byte in digest[:24])


def _team(name: str, number: str, *names: str) -> DirectoryTeam:
    agents = tuple(
        DirectoryAgent(name=agent, team=name, sip_username=_sip_username(f"{name}/{agent}")) for agent in names
    )
    return DirectoryTeam(name=name, queue=name.lower(), number=number, agents=agents)


TEAMS: tuple[DirectoryTeam, ...] = (
    _team(
        "Billing",
        "+18005550101",
        "Ana Ruiz",
        "Max Falk",
        "Priya Nair",
        "Tomasz Zieliński",
        "Grace Okafor",
        "Hiroshi Tanaka",
        "Léa Fournier",
        "Samuel Mbeki",
        "Ingrid Solberg",
        "Mateus Carvalho",
    ),
    _team(
        "Support",
        "+18005550102",
        "Jo Lim",
        "Nadia Haddad",
        "Ben Whitlock",
        "Oksana Kovalenko",
        "Rahul Deshmukh",
        "Chiara Conti",
        "Kofi Asante",
        "Mei-Ling Chou",
        "Pavel Dvořák",
        "Elif Yıldız",
    ),
    _team(
        "Sales",
        "+18005550103",
        "Carla Mendes",
        "Dylan O’Connor",
        "Aisha Rahman",
        "Lukas Brandt",
        "Thandiwe Dlamini",
        "Yusuf Demir",
        "Freya Lindqvist",
        "Diego Herrera",
        "Hannah Goldberg",
        "Minh Tran",
    ),
    _team(
        "Retention",
        "+18005550104",
        "Ruth Adeyemi",
        "Jonas Weber",
        "Sofia Papadaki",
        "Arjun Mehta",
        "Camille Moreau",
        "Peter Novák",
        "Zanele Khumalo",
        "Isabel Ortega",
        "Erik Johansson",
        "Leila Farahani",
    ),
)

KIM_SIP = Phone(owner="Kim", label="Kim’s desk phone", address=f"sip:kim@{SIP_DOMAIN}")
KIM_MOBILE = Phone(owner="Kim", label="Kim’s mobile", address="+491555010011")
LENA_SIP = Phone(owner="Lena", label="Lena’s desk phone", address=f"sip:lena@{SIP_DOMAIN}")
LENA_MOBILE = Phone(owner="Lena", label="Lena’s mobile", address="+491555010022")
OMAR_SIP = Phone(owner="Omar", label="Omar’s desk phone", address=f"sip:omar@{SIP_DOMAIN}")

MARA_SIP = Phone(owner="Mara", label="Mara’s desk phone", address=f"sip:mara@{SIP_DOMAIN}")
"""The line of the colleague whom the sandbox itself plays."""

SUPERVISOR_PHONES: tuple[Phone, ...] = (KIM_SIP, KIM_MOBILE, LENA_SIP, LENA_MOBILE, OMAR_SIP)


CUSTOMER_NUMBERS = (
    "+131255501{d2}",
    "+120255501{d2}",
    "+141555501{d2}",
    "+164755501{d2}",
    "+442079460{d3}",
    "+441632960{d3}",
    "+447700900{d3}",
    "+493023125{d3}",
    "+498999998{d3}",
    "+4917139200{d2}",
    "+33199001{d3}",
    "+33639981{d3}",
    "+61255501{d3}",
    "+353209100{d3}",
    "+468465004{d2}",
)
"""With two or three digits each: ranges kept for fiction, or that no network assigns."""


def team_named(name: str) -> DirectoryTeam:
    """Return the team of that name; raise KeyError where there is none."""
    for team in TEAMS:
        if team.name == name:
            return team
    raise KeyError(name)


def agents(count: int) -> tuple[DirectoryAgent, ...]:
    """Return at least `count` agents, teams taking turns: the named ones first, then made-up ones, always the same."""
    roster: list[DirectoryAgent] = []
    generation = 0
    while generation == 0 or len(roster) < count:
        for row in zip(*(_generation(team, generation) for team in TEAMS), strict=True):
            roster.extend(row)
        generation += 1
    return tuple(roster[: max(count, sum(len(team.agents) for team in TEAMS))])


def newcomer(name: str, *, team: str) -> DirectoryAgent:
    """Return an agent of any name, with the SIP user name that belongs to it."""
    return DirectoryAgent(name=name, team=team, sip_username=_sip_username(f"{team}/{name}"))


def _generation(team: DirectoryTeam, number: int) -> list[DirectoryAgent]:
    """Return the team's agents under each other's family names, and with a number once those are used up."""
    if number == 0:
        return list(team.agents)
    rounds, shift = divmod(number, len(team.agents))
    suffix = f" {rounds + 1}" if rounds else ""
    people = [agent.name.split(" ", 1) for agent in team.agents]
    return [
        newcomer(f"{given} {people[(index + shift) % len(people)][1]}{suffix}", team=team.name)
        for index, (given, _family) in enumerate(people)
    ]

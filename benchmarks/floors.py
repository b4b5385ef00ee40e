"""Fills an empty database with live conferences and viewers; prints a session per viewer.

python -m benchmarks.floors CONFERENCES VIEWERS
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from random import Random

AGENTS_PER_TEAM = 50
VERSION = 1


def main() -> None:
    """Fill the database that the environment names."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    import django

    django.setup()
    print("\n".join(fill(conferences=int(sys.argv[1]), viewers=int(sys.argv[2]))))


def fill(*, conferences: int, viewers: int) -> list[str]:
    """Put conferences of one customer and one or two agents on the board; return the viewers' session keys."""
    from django.contrib.auth.models import User

    from conferences.models import Account, Agent, BoardVersion, Conference, Leg, Participant, Team
    from conferences.projection.registers import stamp

    chance, now = Random(7), datetime.now(UTC)
    account, _made = Account.objects.get_or_create(name="default")
    teams = [Team.objects.create(name=name) for name in ("Billing", "Support", "Sales", "Returns")]
    for team in teams:
        account.connections.create(connection_id=f"line-{team.pk}", name=team.name, role="calls", team=team)
        Agent.objects.bulk_create(
            Agent(name=f"{team.name} agent {number}", team=team, reference=f"{team.pk}-{number}")
            for number in range(max(AGENTS_PER_TEAM, conferences // 4))
        )
    Agent.objects.update(created_at=now - timedelta(days=400))
    agents = {team.pk: list(Agent.objects.filter(team=team)) for team in teams}
    began = [now - timedelta(seconds=chance.expovariate(1 / 300)) for _number in range(conferences)]
    rows = [
        Conference(
            account=account,
            telnyx_id=f"conference-{number}",
            name=f"{(team := chance.choice(teams)).name}-{number}",
            team=team,
            started_at=began[number],
            version=VERSION,
        )
        for number in range(conferences)
    ]
    for row, at in zip(rows, began, strict=True):
        mark = stamp(occurred_at=at, event_id="filled")
        row.connection_id = f"line-{row.team_id}"
        row.facts = {"name": [mark, row.name], "created": [mark, True], "connection_id": [mark, row.connection_id]}
    Conference.objects.bulk_create(rows)
    legs: list[Leg] = []
    participants: list[Participant] = []
    for number, (row, at) in enumerate(zip(rows, began, strict=True)):
        people: list[Agent | None] = [None, *chance.sample(agents[row.team_id or 0], chance.choice([1, 1, 1, 2]))]
        for place, agent in enumerate(people):
            leg = Leg(
                account=account,
                call_control_id=f"v3:{number}-{place}",
                party=Leg.Party.AGENT if agent else Leg.Party.CUSTOMER,
                agent=agent,
                direction="incoming",
                from_address="" if agent else f"+1312555{chance.randrange(10**4):04}",
            )
            mark = stamp(occurred_at=at, event_id="filled")
            leg.facts = {"seen": [mark, True], "direction": [mark, "incoming"], "from": [mark, leg.from_address]}
            legs.append(leg)
            participants.append(
                Participant(account=account, conference=row, leg=leg, joined_at=row.started_at, present=True)
            )
        row.speaker_call_control_id, row.speaker_since = f"v3:{number}-0", now
    Leg.objects.bulk_create(legs)
    Participant.objects.bulk_create(participants)
    Conference.objects.bulk_update(rows, ["speaker_call_control_id", "speaker_since"], batch_size=200)
    BoardVersion.objects.update_or_create(id=1, defaults={"value": VERSION})
    return [session_of(User.objects.create_superuser(f"viewer-{number}")) for number in range(viewers)]


def session_of(user: object) -> str:
    """Sign somebody in, and return the session's key."""
    from django.test import Client

    client = Client()
    client.force_login(user)  # type: ignore[arg-type]
    return str(client.session.session_key)


if __name__ == "__main__":
    main()

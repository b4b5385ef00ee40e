"""Keeps today's access to calls without a team, by a rule that everybody can see and delete (decision 18)."""

from __future__ import annotations

from typing import Any

from django.db import migrations

LAST = 1000  # behind every rule that somebody adds


def keep_access(apps: Any, _editor: Any) -> None:
    """Let leads and staff see calls without a team, as before there were rules; those that are stored, too."""
    rules = apps.get_model("conferences", "TeamRule").objects
    rule, _new = rules.get_or_create(looks_at="any", for_leads=True, defaults={"place": LAST})
    apps.get_model("conferences", "Conference").objects.filter(rule=None).update(rule=rule)


class Migration(migrations.Migration):
    dependencies = [("conferences", "0021_team_rules")]

    operations = [migrations.RunPython(keep_access, migrations.RunPython.noop)]

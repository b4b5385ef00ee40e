"""Adds thresholds to teams: where a call begins to need somebody."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models

THRESHOLDS = [
    ("long_call_minutes", "long call after (minutes)", 1440),
    ("very_long_call_minutes", "very long call after (minutes)", 1440),
    ("same_speaker_seconds", "same speaker after (seconds)", 3600),
    ("hold_seconds", "on hold too long after (seconds)", 3600),
    ("many_transfers", "many transfers from (number)", 99),
    ("waiting_seconds", "waiting too long after (seconds)", 3600),
]


class Migration(migrations.Migration):
    dependencies = [("conferences", "0036_carrier_code")]

    operations = [
        migrations.AddField(
            model_name="team",
            name=name,
            field=models.PositiveSmallIntegerField(
                blank=True,
                null=True,
                validators=[MinValueValidator(1), MaxValueValidator(most)],
                verbose_name=label,
            ),
        )
        for name, label, most in THRESHOLDS
    ]

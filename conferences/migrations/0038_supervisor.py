"""Adds the supervisor: a user, as the admin shows one who listens."""

from __future__ import annotations

import django.contrib.auth.models
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("auth", "0012_alter_user_first_name_max_length"), ("conferences", "0037_thresholds")]

    operations = [
        migrations.CreateModel(
            name="Supervisor",
            fields=[],
            options={
                "verbose_name": "supervisor",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("auth.user",),
            managers=[("objects", django.contrib.auth.models.UserManager())],
        ),
    ]

"""Lets an agent sign in: links them to a user."""

from __future__ import annotations

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL), ("conferences", "0023_membership_rights")]

    operations = [
        migrations.AddField(
            model_name="agent",
            name="user",
            field=models.OneToOneField(
                blank=True,
                help_text=(
                    "With this user name the agent sees who listened to their own calls, if AGENTS_SEE_LISTENING "
                    "allows it. A user without rights in a team sees nothing else. Leave it empty for an agent who does "
                    "not sign in."
                ),
                null=True,
                on_delete=models.SET_NULL,
                related_name="agent",
                to=settings.AUTH_USER_MODEL,
                verbose_name="signs in as",
            ),
        ),
    ]

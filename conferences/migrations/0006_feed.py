from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conferences', '0005_presses'),
    ]

    operations = [
        migrations.AddField(
            model_name='account',
            name='heard_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='last webhook'),
        ),
        migrations.AddField(
            model_name='account',
            name='feed_stopped_since',
            field=models.DateTimeField(blank=True, editable=False, help_text='Telnyx showed what no webhook told, or does not answer either; empty while webhooks come.', null=True, verbose_name='webhooks stopped since'),
        ),
        migrations.AddField(
            model_name='account',
            name='feed_resumed_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='webhooks come again since'),
        ),
        migrations.AddIndex(
            model_name='leg',
            index=models.Index(fields=['call_session_id'], name='leg_session'),
        ),
    ]

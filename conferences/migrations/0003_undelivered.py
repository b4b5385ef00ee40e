from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conferences', '0002_screen'),
    ]

    operations = [
        migrations.AddField(
            model_name='account',
            name='undelivered_read_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="Telnyx' log of failed deliveries read"),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conferences', '0022_keep_access'),
    ]

    operations = [
        migrations.AddField(
            model_name='teammembership',
            name='may_note',
            field=models.BooleanField(db_default=True, default=True, verbose_name='may write notes'),
        ),
        migrations.AddField(
            model_name='teammembership',
            name='may_see_numbers',
            field=models.BooleanField(db_default=False, default=False, help_text='May have a masked number shown in full; each time it is noted in the audit.', verbose_name='may see numbers'),
        ),
        migrations.AlterField(
            model_name='teammembership',
            name='is_lead',
            field=models.BooleanField(default=False, help_text='Also sees the calls that a rule gives to leads and staff, with the same rights.', verbose_name='lead'),
        ),
    ]

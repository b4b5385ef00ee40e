"""Lets the database itself refuse to change or delete rows of the audit and of its chain.

A delete passes only in a transaction that holds a row of AuditOpening, which none can commit. A migration that makes one
of these tables anew (as SQLite does to change a column) takes its triggers away and has to call `install` again.
"""

from django.db import migrations

TABLES = (
    'conferences_auditentry',
    'conferences_auditsegment',
    'conferences_auditseal',
    'conferences_auditanchor',
)
OPEN = 'EXISTS (SELECT 1 FROM conferences_auditopening)'
WORDS = 'The audit is append-only: no row of it is changed or deleted.'

SQLITE = (
    "CREATE TRIGGER IF NOT EXISTS {table}_no_update BEFORE UPDATE ON {table} "
    f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END",
    f"CREATE TRIGGER IF NOT EXISTS {{table}}_no_delete BEFORE DELETE ON {{table}} WHEN NOT {OPEN} "
    f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END",
)
POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION conferences_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'UPDATE' AND {OPEN} THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '{WORDS}' USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""
POSTGRESQL = (
    'CREATE OR REPLACE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} '
    'FOR EACH ROW EXECUTE FUNCTION conferences_audit_refuse()',
    'CREATE OR REPLACE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} '
    'FOR EACH STATEMENT EXECUTE FUNCTION conferences_audit_refuse()',
)


def install(apps, schema_editor):
    sqlite = schema_editor.connection.vendor == 'sqlite'
    if not sqlite:
        schema_editor.execute(POSTGRESQL_FUNCTION, params=None)
    for table in TABLES:
        for statement in SQLITE if sqlite else POSTGRESQL:
            schema_editor.execute(statement.format(table=table), params=None)


def remove(apps, schema_editor):
    sqlite = schema_editor.connection.vendor == 'sqlite'
    for table in TABLES:
        for name in ('no_update', 'no_delete') if sqlite else ('no_change', 'no_truncate'):
            on_table = '' if sqlite else f' ON {table}'
            schema_editor.execute(f'DROP TRIGGER IF EXISTS {table}_{name}{on_table}', params=None)
    if not sqlite:
        schema_editor.execute('DROP FUNCTION IF EXISTS conferences_audit_refuse()', params=None)


class Migration(migrations.Migration):

    dependencies = [
        ('conferences', '0018_audit_chain'),
    ]

    operations = [
        migrations.RunPython(install, remove),
    ]

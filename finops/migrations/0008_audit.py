from django.db import migrations, models

from finops import audit_triggers


def install(apps, schema_editor):
    audit_triggers.install(schema_editor.connection)


def take_away(apps, schema_editor):
    """Triggers go with their tables; the group was made after an earlier migration to here."""
    audit_triggers.remove(schema_editor.connection)
    using = schema_editor.connection.alias
    apps.get_model("auth", "Group").objects.using(using).filter(name="finance-lead").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("finops", "0007_token_names"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.BigIntegerField(default=0)),
                ("hash", models.CharField(max_length=64)),
            ],
        ),
        migrations.AlterModelOptions(
            name="tenant",
            options={
                "ordering": ["slug"],
                "permissions": [
                    ("view_pnl", "See revenue, cost and margin"),
                    ("view_charge_lines", "See charge lines and the rule that allocated each"),
                    ("view_reconciliation", "See reconciliation, deliveries and rejected rows"),
                    ("export_figures", "Export tables as CSV and XLSX"),
                    ("enter_admin", "Enter the admin"),
                    ("operate_loads", "Start, retry and cancel loads"),
                    ("send_usage", "Send usage through the API"),
                    ("view_audit", "See the audit log"),
                    ("close_month", "Close months and reopen the last closed one"),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "number",
                    models.BigIntegerField(
                        help_text="1, 2, 3 …, without a gap.", primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField(help_text="When it was done (UTC).")),
                (
                    "actor",
                    models.CharField(
                        help_text="Sign-in name at that time; “system” where no person did it.",
                        max_length=150,
                    ),
                ),
                (
                    "actor_number",
                    models.BigIntegerField(help_text="Id of the account; empty: none.", null=True),
                ),
                (
                    "verb",
                    models.CharField(
                        help_text="What was done, for example month.close.", max_length=60
                    ),
                ),
                (
                    "target",
                    models.CharField(
                        help_text="To what, for example month 2026-09.", max_length=200
                    ),
                ),
                (
                    "before",
                    models.TextField(
                        help_text="The state before as canonical JSON, without secrets."
                    ),
                ),
                (
                    "after",
                    models.TextField(
                        help_text="The state after as canonical JSON, without secrets."
                    ),
                ),
                (
                    "reason",
                    models.TextField(blank=True, help_text="Why, in the words of the actor."),
                ),
                (
                    "previous_hash",
                    models.CharField(help_text="The hash of the entry before.", max_length=64),
                ),
                (
                    "hash",
                    models.CharField(
                        help_text="SHA-256 over this entry and the hash before it.", max_length=64
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "audit entries",
                "ordering": ["-number"],
                "indexes": [
                    models.Index(fields=["verb", "number"], name="audit_verb"),
                    models.Index(fields=["actor", "number"], name="audit_actor"),
                    models.Index(fields=["target", "number"], name="audit_target"),
                    models.Index(fields=["at"], name="audit_at"),
                ],
            },
        ),
        migrations.RunPython(install, take_away),
    ]

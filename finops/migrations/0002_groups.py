"""The groups finance, approver and admin with this app's permissions.

Permissions come to life after the last migration (``post_migrate``), so they are made here first.
What the groups hold later, and on other apps' tables, is kept by ``finops.groups.ensure_groups``.
"""

from django.apps import apps as installed_apps
from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWS = ("view_pnl", "view_charge_lines", "view_reconciliation", "export_figures")
GROUPS = {"finance": VIEWS, "approver": VIEWS, "admin": (*VIEWS, "enter_admin")}


def add_groups(apps, schema_editor):
    using = schema_editor.connection.alias
    create_permissions(installed_apps.get_app_config("finops"), verbosity=0, using=using, apps=apps)
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    for name, codenames in GROUPS.items():
        group, _created = Group.objects.using(using).get_or_create(name=name)
        group.permissions.add(
            *Permission.objects.using(using).filter(
                content_type__app_label="finops", codename__in=codenames
            )
        )


def remove_groups(apps, schema_editor):
    using = schema_editor.connection.alias
    apps.get_model("auth", "Group").objects.using(using).filter(name__in=GROUPS).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("finops", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(add_groups, remove_groups)]

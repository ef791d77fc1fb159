"""The groups finance, finance-lead, approver and admin: what the product gives to whom.

Each app declares its own part in ``<app>/grants.py``. Migration 0002 makes the groups; this receiver of
``post_migrate`` keeps them equal to the declarations after every later migration, and brings them back
after a ``flush``, which empties every table.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.apps.registry import Apps
from django.apps.registry import apps as all_apps
from django.contrib.auth.management import create_permissions
from django.db import DEFAULT_DB_ALIAS

GROUPS: tuple[str, ...] = ("finance", "finance-lead", "approver", "admin")


def declared_grants(package: str) -> dict[str, tuple[str, ...]]:
    """Group name → codenames that the app in ``package`` declares; empty where it declares none."""
    if find_spec(f"{package}.grants") is None:
        return {}
    grants: dict[str, tuple[str, ...]] = import_module(f"{package}.grants").GRANTS
    return grants


def ensure_groups(
    sender: AppConfig,
    *,
    using: str = DEFAULT_DB_ALIAS,
    apps: Apps = all_apps,
    plan: list[tuple[Any, bool]] | None = None,
    **_signal: Any,
) -> None:
    """Make the groups' permissions on ``sender``'s tables exactly the declared ones.

    Does nothing on the way back of a migration, which has just removed the groups.
    """
    grants = declared_grants(sender.name)
    if not grants or any(backwards for _migration, backwards in plan or []):
        return
    # Django makes permissions in a receiver of the same signal, which may run after this one.
    create_permissions(sender, verbosity=0, using=using, apps=apps)
    try:
        group_model = apps.get_model("auth", "Group")
        permission_model = apps.get_model("auth", "Permission")
    except LookupError:
        return
    own = permission_model.objects.using(using).filter(content_type__app_label=sender.label)
    for name in GROUPS:
        group, _created = group_model.objects.using(using).get_or_create(name=name)
        wanted = set(own.filter(codename__in=grants.get(name, ())))
        present = set(group.permissions.filter(content_type__app_label=sender.label))
        group.permissions.remove(*(present - wanted))
        group.permissions.add(*(wanted - present))

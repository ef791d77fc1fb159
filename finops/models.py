"""The shared kernel's tables: users, tenants and overrides of settings."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import models
from django.db.models import Q

from finops.core.tunables import TUNABLES, TunableError


class Tenant(models.Model):
    """A customer of the SaaS company: the unit whose revenue, cost and margin are known."""

    slug = models.CharField(
        max_length=63,
        unique=True,
        validators=[validate_slug],
        help_text="The name in tags, files and addresses: lower-case letters, digits and hyphens.",
    )
    name = models.CharField(max_length=200, help_text="The name people read.")
    discovered = models.BooleanField(
        default=False,
        help_text="Created on the first sight of a tag, not by a person. Untick once it is confirmed.",
    )
    first_seen = models.DateTimeField(help_text="When it was created here (UTC).")
    is_active = models.BooleanField(
        default=True, help_text="An inactive tenant keeps its history and leaves the lists."
    )

    class Meta:
        ordering = ["slug"]
        permissions = [
            ("view_pnl", "See revenue, cost and margin"),
            ("view_charge_lines", "See charge lines and the rule that allocated each"),
            ("view_reconciliation", "See reconciliation, deliveries and rejected rows"),
            ("export_figures", "Export tables as CSV and XLSX"),
            ("enter_admin", "Enter the admin"),
        ]

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person who signs in. Groups say what they may do, the scope says for whom."""

    tenant_scope = models.ManyToManyField(
        Tenant,
        blank=True,
        related_name="scoped_users",
        help_text="Leave empty to see every tenant; otherwise only these, and no company totals.",
    )

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"


class SettingOverride(models.Model):
    """An admin's value for a tunable setting, for everyone or for one tenant."""

    CHOICES: ClassVar[list[tuple[str, str]]] = [
        (tunable.name, tunable.title) for tunable in TUNABLES.values()
    ]

    name = models.CharField(max_length=64, choices=CHOICES, help_text="Which setting.")
    tenant = models.ForeignKey(
        Tenant,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="setting_overrides",
        help_text="Empty: for every tenant that has no override of its own.",
    )
    value = models.CharField(
        max_length=64, help_text="In the setting's own unit, for example 0.65."
    )
    reason = models.CharField(max_length=500, help_text="Why it was changed.")
    changed_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    changed_at = models.DateTimeField(editable=False, auto_now=True)

    class Meta:
        ordering = ["name", "tenant__slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(tenant__isnull=True), name="one_global_override"
            ),
            models.UniqueConstraint(fields=["name", "tenant"], name="one_override_per_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.name} = {self.value} for {self.tenant or 'everyone'}"

    def clean(self) -> None:
        """Refuse a value that the setting does not allow."""
        tunable = TUNABLES.get(self.name)
        if tunable is None:
            return
        try:
            tunable.parse(self.value)
        except TunableError as error:
            raise ValidationError({"value": str(error)}) from None

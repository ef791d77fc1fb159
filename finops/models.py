"""The shared kernel's tables: users, tenants and overrides of settings."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import models
from django.db.models import Q

from finops.alert_models import Alert, AlertAcknowledgement
from finops.api.models import ApiToken, KeptAnswer
from finops.audit_models import AuditEntry, AuditHead
from finops.core.tunables import TUNABLES, TunableError
from finops.fx_models import ExchangeRate

__all__ = [
    "Alert",
    "AlertAcknowledgement",
    "ApiToken",
    "AuditEntry",
    "AuditHead",
    "ExchangeRate",
    "Job",
    "KeptAnswer",
    "SettingOverride",
    "Tenant",
    "User",
]


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
            ("operate_loads", "Start, retry and cancel loads"),
            ("send_usage", "Send usage through the API"),
            ("view_audit", "See the audit log"),
            ("close_month", "Close months and reopen the last closed one"),
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


class Job(models.Model):
    """Work in the background. This row is the truth; a message of the broker only says "look here".

    queued → running → done, failed or cancelled; a running one goes back to queued when its worker is
    lost, hands it back, or failed with tries left. Whoever works on it holds ``claim_token``, and every
    later write is conditional on it.
    """

    class State(models.TextChoices):
        """Where it stands."""

        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    ACTIVE: ClassVar[tuple[str, ...]] = (State.QUEUED, State.RUNNING)

    kind = models.CharField(max_length=40, help_text="Which plug-in does it, for example collect.")
    subject = models.CharField(
        max_length=120, help_text="What it is about; of one kind and subject only one is active."
    )
    arguments = models.JSONField(default=dict, help_text="What the plug-in is told; no secrets.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    run_after = models.DateTimeField(help_text="Not before this time (UTC).")
    attempts = models.PositiveIntegerField(default=0, help_text="How often it was begun.")
    max_attempts = models.PositiveIntegerField(default=3)
    worker = models.CharField(max_length=120, blank=True, help_text="Host and process at work.")
    claim_token = models.UUIDField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(
        null=True, blank=True, help_text="When its worker was last heard of (UTC)."
    )
    stage = models.CharField(max_length=40, blank=True)
    stage_began_at = models.DateTimeField(null=True, blank=True)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0, help_text="0: not known.")
    rows = models.PositiveBigIntegerField(
        default=0, help_text="Rows read so far, where it reads any."
    )
    cancel_requested = models.BooleanField(default=False)
    hand_back_requested = models.BooleanField(default=False)
    result = models.TextField(blank=True, help_text="What came of it: one sentence.")
    error = models.TextField(blank=True, help_text="Why it failed last: one sentence.")
    requested_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True, help_text="When it was last begun.")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=Q(state__in=("queued", "running")),
                name="one_active_job_per_subject",
            )
        ]
        indexes = [
            models.Index(fields=["state", "run_after"], name="jobs_to_claim"),
            models.Index(fields=["kind", "subject", "id"], name="jobs_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} ({self.state})"

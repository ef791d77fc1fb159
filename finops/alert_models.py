"""Alerts: what is wrong now, since when, and who has seen it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Alert(models.Model):
    """One thing that is or was wrong: opened and resolved by the checks, acknowledged by a person.

    Of one kind and subject at most one is open, which the database holds to. What comes back after it was over
    is a new row.
    """

    kind = models.CharField(max_length=40, help_text="Which check found it (the alerts folders).")
    subject = models.CharField(max_length=300, help_text="What it is about, for example a source.")
    severity = models.CharField(
        max_length=10, help_text="danger: figures are or may be wrong; warning: something is late."
    )
    sentence = models.TextField(help_text="What is wrong and what to do, as last found.")
    evidence = models.JSONField(default=dict, help_text="The figures behind it; amounts as text.")
    first_seen = models.DateTimeField(help_text="When it was first found (UTC).")
    last_seen = models.DateTimeField(help_text="When it was last found (UTC).")
    resolved_at = models.DateTimeField(
        null=True, blank=True, help_text="When a check no longer found it (UTC). Empty: open."
    )
    acknowledged_by = models.ForeignKey(
        "finops.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True, help_text="When (UTC).")

    class Meta:
        ordering = ["-first_seen", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=Q(resolved_at__isnull=True),
                name="one_open_alert_per_subject",
            )
        ]
        indexes = [models.Index(fields=["resolved_at"], name="alert_resolved")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

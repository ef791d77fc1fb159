"""Alerts: what is wrong now, since when, and who has seen it."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from finops.core.alerts import Matter, Severity


class Alert(models.Model):
    """One thing that is or was wrong: opened and resolved by the checks, acknowledged by a person.

    Of one kind and subject at most one is open, which the database holds to. What comes back after it was over
    is a new row. ``acknowledged_by`` and ``acknowledged_at`` say who has seen it as it is now; they are emptied when
    it asks again, and ``acknowledgements`` keeps them all.
    """

    kind = models.CharField(max_length=40, help_text="Which check found it (the alerts folders).")
    subject = models.CharField(max_length=300, help_text="What it is about, for example a source.")
    severity = models.CharField(
        max_length=10, help_text="danger: figures are or may be wrong; warning: something is late."
    )
    sentence = models.TextField(help_text="What is wrong and what to do, as last found.")
    evidence = models.JSONField(default=dict, help_text="The figures behind it; amounts as text.")
    about = models.CharField(
        max_length=300, blank=True, help_text="What would make it another matter, without figures."
    )
    size = models.CharField(
        max_length=130,
        default="0",
        help_text="How large it is, exact, in the check's own unit; 0 where nothing grows.",
    )
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

    @property
    def matter(self) -> Matter:
        """What it states now."""
        return Matter(Severity(self.severity), self.about, Decimal(self.size))


class AlertAcknowledgement(models.Model):
    """That a person has seen an alert, and what it stated then; it lapses when the alert asks again."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="acknowledgements")
    by = models.ForeignKey(
        "finops.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(help_text="When (UTC).")
    reason = models.CharField(max_length=500, blank=True, help_text="Why, in their words.")
    severity = models.CharField(max_length=10, help_text="As the alert then was.")
    sentence = models.TextField(help_text="What the alert then said.")
    about = models.CharField(max_length=300, blank=True, help_text="As the alert then was.")
    size = models.CharField(max_length=130, default="0", help_text="As the alert then was.")
    lapsed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the alert asked again (UTC). Empty: it holds."
    )
    lapsed_because = models.CharField(
        max_length=300, blank=True, help_text="Why the alert asked again: a clause."
    )

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["alert"],
                condition=Q(lapsed_at__isnull=True),
                name="one_standing_acknowledgement",
            )
        ]

    def __str__(self) -> str:
        return f"{self.alert} {self.at:%Y-%m-%d %H:%M}"

    @property
    def matter(self) -> Matter:
        """What was acknowledged."""
        return Matter(Severity(self.severity), self.about, Decimal(self.size))

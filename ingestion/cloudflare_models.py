"""Usage that an API told, hour by hour: small tables that pages read directly."""

from __future__ import annotations

from django.db import models

from finops.money import MoneyField, QuantityField


class UsageHour(models.Model):
    """One quantity of one metric in one hour (UTC); texts are empty where the API does not tell them apart.

    What is read again replaces what was there, so no row is ever corrected in place.
    """

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="usage_hours"
    )
    hour = models.DateTimeField(help_text="Begin of the hour (UTC).")
    metric = models.CharField(max_length=40, help_text="See ingestion/core/usage.py.")
    account = models.CharField(max_length=32, blank=True)
    zone = models.CharField(max_length=32, blank=True)
    host = models.CharField(max_length=255, blank=True)
    cache_status = models.CharField(max_length=255, blank=True)
    script = models.CharField(max_length=255, blank=True)
    bucket = models.CharField(max_length=255, blank=True)
    storage_class = models.CharField(max_length=255, blank=True)
    quantity = QuantityField(help_text="In the metric's unit.")
    is_sampled = models.BooleanField(help_text="Whether it is an estimate from a sample.")

    class Meta:
        ordering = ["hour", "metric"]
        indexes = [
            models.Index(fields=["source", "hour"], name="usage_by_source_and_hour"),
            models.Index(fields=["metric", "hour"], name="usage_by_metric_and_hour"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "source",
                    "hour",
                    "metric",
                    "account",
                    "zone",
                    "host",
                    "cache_status",
                    "script",
                    "bucket",
                    "storage_class",
                ],
                name="one_usage_row_per_hour_and_subject",
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00} {self.metric} {self.quantity}"


class UsageMonth(models.Model):
    """How often days of a month were read: differs once its hours may differ, without looking at them."""

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="usage_months"
    )
    month = models.DateField(help_text="Its first day.")
    readings = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["source", "month"]
        constraints = [
            models.UniqueConstraint(fields=["source", "month"], name="one_row_per_usage_month")
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.month:%Y-%m}: {self.readings}"


class WorkerDeployment(models.Model):
    """One deployment of a Worker, as Cloudflare lists it; it is never taken away again."""

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="worker_deployments"
    )
    account = models.CharField(max_length=32)
    script = models.CharField(max_length=255)
    deployment_id = models.CharField(max_length=36)
    created_at = models.DateTimeField(db_index=True, help_text="When it was deployed (UTC).")
    deployed_by = models.CharField(
        max_length=40, blank=True, help_text="With what it was deployed, for example wrangler."
    )
    message = models.CharField(max_length=200, blank=True)
    versions = models.JSONField(default=list, help_text="Version ids with their percentages.")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "script", "deployment_id"], name="one_row_per_deployment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.script} {self.created_at:%Y-%m-%d %H:%M}"


class UsageProgress(models.Model):
    """Up to when one dataset of one account or zone was read whole through one connection."""

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="usage_progress"
    )
    connection = models.ForeignKey(
        "ingestion.Connection", on_delete=models.CASCADE, related_name="usage_progress"
    )
    dataset = models.CharField(max_length=60, help_text="Cloudflare's name of the node.")
    tag = models.CharField(max_length=32, help_text="Id of the account or zone.")
    data_through = models.DateTimeField(help_text="Up to when everything was read (UTC).")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "connection", "dataset", "tag"], name="one_progress_per_reading"
            )
        ]

    def __str__(self) -> str:
        return f"{self.dataset} {self.tag} {self.data_through:%Y-%m-%d %H:%M}"


class UsageCheck(models.Model):
    """One look at an API: what it could tell, what of it was read, and what had to be put aside."""

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="usage_checks"
    )
    connection = models.ForeignKey(
        "ingestion.Connection", on_delete=models.CASCADE, related_name="usage_checks"
    )
    checked_at = models.DateTimeField(help_text="When it was looked at (UTC).")
    window_start = models.DateTimeField(null=True, blank=True, help_text="Begin of what was asked.")
    window_end = models.DateTimeField(null=True, blank=True, help_text="End of what was asked.")
    data_through = models.DateTimeField(
        null=True, blank=True, help_text="Up to when everything was read; empty where it was not."
    )
    capabilities = models.JSONField(
        default=dict, help_text="What the API can tell: a yes, or the reason why not."
    )
    problem = models.TextField(blank=True, help_text="Why it failed: one sentence.")
    rows = models.PositiveBigIntegerField(default=0, help_text="Rows of all answers.")
    rejected_rows = models.PositiveBigIntegerField(default=0, help_text="Rows put aside.")
    rejects = models.JSONField(
        default=list, help_text="The first rows put aside: where each stands, and why."
    )
    notes = models.JSONField(default=list, help_text="Sentences on what was unusual.")

    class Meta:
        ordering = ["-checked_at", "-id"]
        indexes = [models.Index(fields=["source", "-checked_at"], name="newest_check_of_source")]

    def __str__(self) -> str:
        return f"{self.source} {self.checked_at:%Y-%m-%d %H:%M}"


class BillableUsage(models.Model):
    """One billable metric of one account on one UTC day; a day that is told again is replaced.

    Evidence to reconcile with: no charge line is made of it. Quantities have 4 decimals.
    """

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="billable_usage"
    )
    account = models.CharField(max_length=32)
    day = models.DateField(help_text="ChargePeriodStart (UTC).")
    metric_id = models.CharField(
        max_length=120, help_text="x_BillableMetricId, or ServiceName of version 1."
    )
    metric_name = models.CharField(max_length=120, help_text="x_BillableMetricName.")
    family = models.CharField(max_length=120, blank=True, help_text="x_ProductFamilyName.")
    zone = models.CharField(max_length=120, blank=True, help_text="x_ZoneId.")
    sub_account = models.CharField(
        max_length=120, blank=True, help_text="SubAccountId: a subscription or contract."
    )
    quantity = QuantityField(help_text="ConsumedQuantity.")
    unit = models.CharField(max_length=120, blank=True, help_text="ConsumedUnit.")
    billed_cost = MoneyField(
        null=True, blank=True, help_text="BilledCost; empty while Cloudflare tells none."
    )
    currency = models.CharField(max_length=3, blank=True, help_text="BillingCurrency.")

    class Meta:
        ordering = ["account", "day", "metric_id", "pk"]
        verbose_name_plural = "Billable usage"
        indexes = [models.Index(fields=["account", "day"], name="billable_by_account_and_day")]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "source",
                    "day",
                    "metric_id",
                    "unit",
                    "zone",
                    "sub_account",
                    "currency",
                ],
                name="one_row_per_billable_metric",
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.metric_name} {self.quantity} {self.unit}"

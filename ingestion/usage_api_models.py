"""Usage that clients send through the API, record by record."""

from __future__ import annotations

from django.db import models

from finops.models import Tenant
from finops.money import QuantityField

KIND = "usage_api"
"""The kind of the sources that are sent through the API, one for each token's name."""


class UsageRecord(models.Model):
    """One quantity of one metric in one hour, as it was sent; a source's ``record_id`` counts once."""

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="usage_records", db_index=False
    )
    record_id = models.CharField(max_length=128, help_text="The sender's own name of the record.")
    hour = models.DateTimeField(help_text="Start of the hour (UTC).")
    metric = models.CharField(max_length=40, help_text="See ingestion/core/usage.py.")
    quantity = QuantityField(help_text="In the metric's unit.")
    tenant = models.ForeignKey(
        Tenant,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="Whom the sender names; empty where nobody is named.",
    )
    account = models.CharField(max_length=100, blank=True)
    zone = models.CharField(max_length=255, blank=True)
    host = models.CharField(max_length=255, blank=True)
    path_prefix = models.CharField(max_length=500, blank=True)
    cache_status = models.CharField(max_length=40, blank=True)
    script = models.CharField(max_length=255, blank=True)
    bucket = models.CharField(max_length=255, blank=True)
    storage_class = models.CharField(max_length=40, blank=True)
    is_sampled = models.BooleanField(default=False, help_text="An estimate from a sample.")
    received_at = models.DateTimeField(help_text="When it came (UTC).")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "record_id"], name="one_row_per_usage_record"
            ),
        ]
        indexes = [
            models.Index(fields=["source", "hour"], name="usage_source_hour"),
            models.Index(fields=["metric", "hour"], name="usage_metric_hour"),
            models.Index(fields=["hour"], name="usage_hour"),
            # A page of a filtered list is read in the order of ids.
            models.Index(fields=["source", "id"], name="usage_source_id"),
            models.Index(fields=["metric", "id"], name="usage_metric_id"),
            models.Index(fields=["tenant", "id"], name="usage_tenant_id"),
        ]

    def __str__(self) -> str:
        return f"{self.record_id} {self.metric} {self.quantity}"

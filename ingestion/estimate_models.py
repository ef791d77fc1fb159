"""Estimates beside bills: what bills say of each meter, what was estimated before, and how estimating stands."""

from __future__ import annotations

from django.db import models

from finops.money import MoneyField, QuantityField

SOURCE_KIND = "estimate"
"""The kind of the sources that estimates come from, one for each provider."""


class BillRead(models.Model):
    """That a load of a bill was read for its meters, and whose accounts it has lines of."""

    load = models.OneToOneField(
        "ingestion.Load", on_delete=models.CASCADE, primary_key=True, related_name="bill_read"
    )
    accounts = models.JSONField(default=list, help_text="Accounts with lines in it.")
    read_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.load)


class BilledMeter(models.Model):
    """What a load bills for one meter and account on one UTC day."""

    load = models.ForeignKey(
        "ingestion.Load", on_delete=models.CASCADE, related_name="billed_meters"
    )
    meter = models.CharField(max_length=60)
    account = models.CharField(max_length=100, blank=True)
    day = models.DateField(help_text="First UTC day of the charge.")
    billing_currency = models.CharField(max_length=3)
    is_monthly = models.BooleanField(
        default=False,
        help_text="It was charged for a month at once, and is even over its days here.",
    )
    quantity = QuantityField(
        null=True, help_text="In the meter's unit; empty where the bill's unit says nothing."
    )
    billed_cost = MoneyField()
    through = models.DateTimeField(help_text="End of the newest charge (UTC).")

    class Meta:
        ordering = ["load", "meter", "day"]
        constraints = [
            models.UniqueConstraint(
                fields=["load", "meter", "account", "day", "billing_currency", "is_monthly"],
                name="one_row_per_billed_meter_and_day",
            )
        ]

    def __str__(self) -> str:
        return f"{self.meter} {self.day} {self.billed_cost} {self.billing_currency}"


class MeterDay(models.Model):
    """What was estimated for a meter on one UTC day, kept as it was when the bill reached its end.

    Until then each estimate replaces it. ``billed_cost`` follows the bill, also when that is restated.
    """

    meter = models.CharField(max_length=60)
    day = models.DateField()
    billing_currency = models.CharField(max_length=3)
    accounts = models.JSONField(default=list, help_text="Accounts whose usage was estimated.")
    estimated_quantity = QuantityField(help_text="Of the whole day, in the meter's unit.")
    estimated_cost = MoneyField(help_text="Of the whole day.")
    estimated_at = models.DateTimeField(help_text="When it was last estimated (UTC).")
    billed_quantity = QuantityField(null=True)
    is_monthly = models.BooleanField(
        default=False, help_text="The bill names the month alone: its days are even, not measured."
    )
    billed_cost = MoneyField(null=True, help_text="Empty until a bill has reached the day's end.")
    is_frozen = models.BooleanField(
        default=False,
        help_text="A bill has reached the day's end once: what was estimated before stays, also where the bill is "
        "taken back.",
    )
    compared_at = models.DateTimeField(
        null=True, help_text="When the bill was last compared (UTC)."
    )

    class Meta:
        ordering = ["meter", "day"]
        constraints = [
            models.UniqueConstraint(
                fields=["meter", "day", "billing_currency"],
                name="one_estimate_per_meter_and_day",
            )
        ]
        indexes = [models.Index(fields=["day"], name="meter_day_day")]

    def __str__(self) -> str:
        return f"{self.meter} {self.day} {self.estimated_cost} {self.billing_currency}"


class EstimatedMonth(models.Model):
    """What a month's estimate was made of, so that nothing is done while nothing of it changes."""

    month = models.DateField(unique=True, help_text="Its first day.")
    fingerprint = models.CharField(max_length=64, help_text="Of usage, prices, bills and owners.")
    written = models.JSONField(
        default=dict,
        help_text="Slug of each source that was written, with the digest of its lines.",
    )
    problems = models.JSONField(default=list, help_text="What could not be priced, in sentences.")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["month"]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}, {self.made_at:%Y-%m-%d %H:%M}"


class EstimateRun(models.Model):
    """The last estimate, over all months. One row."""

    made_at = models.DateTimeField()
    complete_through = models.DateTimeField(
        null=True, help_text="End of the newest hour that is in it (UTC)."
    )
    rates = models.JSONField(
        default=list,
        help_text="Meter, account, month, the average rate as a fraction, its currency, and up to when usage is in "
        "the estimate.",
    )
    problems = models.JSONField(default=list, help_text="What could not be priced, in sentences.")

    def __str__(self) -> str:
        return f"{self.made_at:%Y-%m-%d %H:%M}"

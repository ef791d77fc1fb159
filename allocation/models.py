"""The ledger: what each tenant bears, by day and by month, with the rule and the confidence."""

from __future__ import annotations

from django.db import models

# Django looks for an app's tables here alone; this room holds those of closed months.
from allocation import close_models  # noqa: F401
from finops.models import Tenant
from finops.money import MoneyField, QuantityField
from ingestion.models import Load, RevenueRow, Source


class LedgerRow(models.Model):
    """The columns of every ledger table (LedgerRow of the design); money in ``billing_currency``."""

    # The load's own rows of the same transaction (LedgerDigest, LoadTotal, LakeFile) hold load and source with
    # constraints. Here these would say the same once a row, one by one, at COMMIT.
    load = models.ForeignKey(
        Load, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    source = models.ForeignKey(
        Source, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    tenant = models.ForeignKey(
        Tenant,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="Empty: no tenant bears it (unallocated).",
    )
    environment = models.CharField(max_length=63, blank=True)
    product = models.CharField(max_length=63, blank=True)
    team = models.CharField(max_length=63, blank=True)
    service_provider_name = models.TextField()
    service_category = models.CharField(max_length=40)
    service_name = models.TextField()
    region_id = models.TextField(blank=True)
    charge_category = models.CharField(max_length=12)
    billing_currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=10, help_text="billed, estimated or true-up")
    granularity = models.CharField(
        max_length=5, help_text="hour, day or month: how fine the source's line is"
    )
    method = models.TextField(help_text="Rule that named the tenant, with its version.")
    confidence = models.DecimalField(
        max_digits=3,
        decimal_places=2,
        help_text="1.00 tag, 0.70–0.80 heuristic, 0.30 fallback, 0.00 none.",
    )
    billed_cost = MoneyField()
    effective_cost = MoneyField()
    list_cost = MoneyField(null=True, help_text="Empty where the source names no list price.")
    consumed_quantity = QuantityField(
        null=True, help_text="Empty where the lines have several units."
    )
    consumed_unit = models.TextField(blank=True)
    lines = models.PositiveBigIntegerField(help_text="Charge lines beneath.")

    class Meta:
        abstract = True


class LedgerDay(LedgerRow):
    """One day (UTC) of the charge period."""

    day = models.DateField()

    class Meta(LedgerRow.Meta):
        indexes = [
            models.Index(fields=["tenant", "day"], name="ledger_day_tenant"),
            models.Index(fields=["day"], name="ledger_day_day"),
            models.Index(fields=["load"], name="ledger_day_load"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.service_name} {self.effective_cost}"


class LedgerMonth(LedgerRow):
    """One calendar month: the sum of its ``LedgerDay`` rows, to the last stored digit."""

    month = models.DateField()

    class Meta(LedgerRow.Meta):
        indexes = [
            models.Index(fields=["tenant", "month"], name="ledger_month_tenant"),
            models.Index(fields=["month"], name="ledger_month_month"),
            models.Index(fields=["environment", "month"], name="ledger_month_environment"),
            models.Index(fields=["load"], name="ledger_month_load"),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.service_name} {self.effective_cost}"


class PnlRow(models.Model):
    """The columns of the small P&L tables: the sum of the ledger over the columns left out."""

    # As in LedgerRow.
    load = models.ForeignKey(
        Load, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    tenant = models.ForeignKey(
        Tenant, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    service_provider_name = models.TextField()
    service_category = models.CharField(max_length=40)
    charge_category = models.CharField(max_length=12)
    billing_currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=10)
    confidence = models.DecimalField(max_digits=3, decimal_places=2)
    billed_cost = MoneyField()
    effective_cost = MoneyField()
    lines = models.PositiveBigIntegerField()

    class Meta:
        abstract = True


class PnlDay(PnlRow):
    """Cost by day, tenant and statement line: what pages read where a window has loose days."""

    day = models.DateField()

    class Meta(PnlRow.Meta):
        indexes = [
            models.Index(fields=["billing_currency", "day"], name="pnl_day_currency"),
            models.Index(fields=["tenant", "day"], name="pnl_day_tenant"),
            models.Index(fields=["load"], name="pnl_day_load"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.service_category} {self.effective_cost}"


class PnlMonth(PnlRow):
    """Cost by calendar month: the sum of its ``PnlDay`` rows, for the whole months of a window."""

    month = models.DateField()

    class Meta(PnlRow.Meta):
        indexes = [
            models.Index(fields=["billing_currency", "month"], name="pnl_month_currency"),
            models.Index(fields=["tenant", "month"], name="pnl_month_tenant"),
            models.Index(fields=["load"], name="pnl_month_load"),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.service_category} {self.effective_cost}"


class UncertainCost(models.Model):
    """Cost that no rule could give to a tenant, by day, account and (largest) resource.

    The resources with the most dollars are named, the rest of an account is one row with an empty
    ``resource_id``, so that the table stays small and its sum stays whole.
    """

    load = models.ForeignKey(Load, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    sub_account_id = models.TextField(blank=True)
    service_name = models.TextField()
    charge_category = models.CharField(max_length=12)
    resource_id = models.TextField(blank=True)
    billing_currency = models.CharField(max_length=3)
    billed_cost = MoneyField()
    effective_cost = MoneyField()
    lines = models.PositiveBigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["day", "sub_account_id"], name="uncertain_day_account")]

    def __str__(self) -> str:
        return f"{self.day} {self.sub_account_id} {self.resource_id} {self.effective_cost}"


class CandidateTenant(models.Model):
    """A tenant with certain cost in an account: a candidate for that account's uncertain cost."""

    load = models.ForeignKey(Load, on_delete=models.CASCADE, related_name="+")
    sub_account_id = models.TextField(blank=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["load", "sub_account_id", "tenant"], name="one_candidate"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tenant.slug} in {self.sub_account_id}"


class BridgeStep(models.Model):
    """One step of a load's way from billed to effective cost, by provider; all together are the load.

    Amounts are exact decimal texts in ``billing_currency``: shown and added up in Python, never in SQL.
    """

    load = models.ForeignKey(Load, on_delete=models.CASCADE, related_name="bridge")
    billing_currency = models.CharField(max_length=3)
    service_provider_name = models.TextField(
        blank=True, default="", help_text="Whose charges, as the lines say."
    )
    step = models.CharField(
        max_length=40, help_text="Which kind of charge (allocation.core.bridge)."
    )
    billed_cost = models.CharField(max_length=80)
    effective_cost = models.CharField(max_length=80)
    list_cost = models.CharField(max_length=80)
    contracted_cost = models.CharField(max_length=80)
    lines = models.PositiveBigIntegerField()

    class Meta:
        ordering = ["load", "billing_currency", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["load", "billing_currency", "service_provider_name", "step"],
                name="one_row_per_step_and_provider",
            )
        ]

    def __str__(self) -> str:
        return f"{self.load} {self.step}"


class LedgerDigest(models.Model):
    """A digest over a current load's ledger rows of one day: an equal one needs no rewriting."""

    load = models.ForeignKey(Load, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    digest = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["load", "day"], name="one_digest_per_load_and_day")
        ]

    def __str__(self) -> str:
        return f"{self.load} {self.day}"


class Restatement(models.Model):
    """A delivery that changed what was known of days gone by; kept when its loads' files are gone."""

    load = models.OneToOneField(
        Load, on_delete=models.CASCADE, related_name="restatement", help_text="What holds now."
    )
    previous_load = models.ForeignKey(
        Load, on_delete=models.CASCADE, related_name="+", help_text="What held before."
    )
    made_at = models.DateTimeField(help_text="When it became visible (UTC).")
    known_until = models.DateField(
        help_text="The first day that was not whole before; from there on more cost is news."
    )
    days_rewritten = models.PositiveIntegerField(help_text="Days whose ledger rows were replaced.")
    days_kept = models.PositiveIntegerField(
        help_text="Days whose ledger rows were left as they are."
    )

    class Meta:
        ordering = ["-made_at"]

    def __str__(self) -> str:
        return (
            f"{self.load.source.slug} {self.load.billing_period:%Y-%m} at {self.made_at:%Y-%m-%d}"
        )


class RestatementLine(models.Model):
    """What a restatement did to the cost of one tenant, provider and category; money in ``billing_currency``."""

    restatement = models.ForeignKey(Restatement, on_delete=models.CASCADE, related_name="lines")
    tenant = models.ForeignKey(
        Tenant,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Empty: no tenant bears it.",
    )
    service_provider_name = models.TextField(
        blank=True, default="", help_text="Whose charges, as the lines say."
    )
    service_category = models.CharField(max_length=40)
    billing_currency = models.CharField(max_length=3)
    first_day = models.DateField(help_text="First day that changed.")
    last_day = models.DateField(help_text="Last day that changed.")
    days = models.PositiveIntegerField(help_text="How many days changed.")
    billed_before = MoneyField()
    billed_after = MoneyField()
    effective_before = MoneyField()
    effective_after = MoneyField()

    class Meta:
        ordering = ["restatement", "id"]

    def __str__(self) -> str:
        return f"{self.restatement} {self.service_category}"


class RecognisedRevenue(models.Model):
    """The part of a revenue row that belongs to one day (straight-line)."""

    revenue_row = models.ForeignKey(RevenueRow, on_delete=models.CASCADE, related_name="recognised")
    day = models.DateField()
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_index=False)
    currency = models.CharField(max_length=3)
    amount = MoneyField()

    class Meta:
        indexes = [
            models.Index(fields=["day"], name="recognised_day"),
            models.Index(fields=["tenant", "day"], name="recognised_tenant_day"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.tenant.slug} {self.amount}"

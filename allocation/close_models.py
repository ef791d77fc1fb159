"""What was reported when a month was closed, and what changed afterwards. Rows are added, not changed."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from finops.core.focus import ChargeCategory, CostKind
from finops.models import Tenant, User
from finops.money import MoneyField
from ingestion.models import Load, Source


class Books(models.Model):
    """One row: through which month the books are closed. Its lock makes closing and loading queue."""

    closed_through = models.DateField(
        null=True, help_text="First day of the last closed month; every month before it is closed."
    )

    def __str__(self) -> str:
        return f"closed through {self.closed_through:%Y-%m}" if self.closed_through else "open"


class ClosedMonth(models.Model):
    """One close of a month by a person, with what is needed to prove that its figures stand."""

    month = models.DateField(help_text="First day of the month.")
    closed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(help_text="When (UTC).")
    reason = models.TextField(help_text="What the person wrote.")
    accepted = models.JSONField(
        default=dict, help_text="Open items of the checklist → why they were accepted."
    )
    reporting_currency = models.CharField(max_length=3)
    cost = MoneyField(
        help_text="Effective cost of the margin as reported, in the reporting currency."
    )
    revenue = MoneyField(help_text="Revenue as reported, in the reporting currency.")
    digest = models.CharField(max_length=64, help_text="SHA-256 over all that was reported.")
    reopened_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    reopened_at = models.DateTimeField(null=True, help_text="Empty: it is closed.")
    reopen_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-month", "-closed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["month"], condition=Q(reopened_at__isnull=True), name="one_close_per_month"
            )
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} closed by {self.closed_by.get_username()}"


class ReportedKey(models.Model):
    """What an amount of cost is about: the ledger without services, regions and rules."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+", db_index=False)
    billing_period = models.DateField(help_text="Month of the bill that the cost came with.")
    tenant = models.ForeignKey(
        Tenant, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    environment = models.CharField(max_length=63, blank=True)
    product = models.CharField(max_length=63, blank=True)
    team = models.CharField(max_length=63, blank=True)
    service_provider_name = models.TextField()
    service_category = models.CharField(max_length=40)
    charge_category = models.CharField(max_length=12)
    confidence = models.DecimalField(max_digits=3, decimal_places=2)
    billing_currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=10)
    billed_cost = MoneyField()
    effective_cost = MoneyField()

    class Meta:
        abstract = True


class ReportedPnl(ReportedKey):
    """Cost of a closed month as it was reported."""

    closed = models.ForeignKey(ClosedMonth, on_delete=models.CASCADE, related_name="costs")

    def __str__(self) -> str:
        return f"{self.closed.month:%Y-%m} {self.service_category} {self.effective_cost}"


class ReportedRevenue(models.Model):
    """Revenue of a closed month as it was reported, by tenant."""

    closed = models.ForeignKey(ClosedMonth, on_delete=models.CASCADE, related_name="revenues")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_index=False)
    currency = models.CharField(max_length=3)
    amount = MoneyField()

    def __str__(self) -> str:
        return f"{self.closed.month:%Y-%m} {self.tenant.slug} {self.amount}"


class ReportedBounds(models.Model):
    """Uncertain cost for which a tenant was a candidate: what the margin's bounds were made of."""

    closed = models.ForeignKey(ClosedMonth, on_delete=models.CASCADE, related_name="bounds")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_index=False)
    charge_category = models.CharField(max_length=12)
    billing_currency = models.CharField(max_length=3)
    billed_low = MoneyField(help_text="Sum of the negative lines.")
    billed_high = MoneyField(help_text="Sum of the others.")
    effective_low = MoneyField()
    effective_high = MoneyField()

    def __str__(self) -> str:
        return f"{self.closed.month:%Y-%m} {self.tenant.slug}"


class ReportedBill(models.Model):
    """How settled a bill was when a month was closed: invoiced, or accrued until its invoice comes."""

    closed = models.ForeignKey(ClosedMonth, on_delete=models.CASCADE, related_name="bills")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    billing_period = models.DateField()
    is_invoiced = models.BooleanField()
    reference = models.CharField(
        max_length=200, help_text="The load and delivery whose figures were reported."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["closed", "source", "billing_period"], name="one_state_per_reported_bill"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source.slug} {self.billing_period:%Y-%m}"


class FrozenRate(models.Model):
    """A rate that a closed month was converted with: one unit of ``base`` in ``quote``."""

    closed = models.ForeignKey(ClosedMonth, on_delete=models.CASCADE, related_name="rates")
    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    rate = models.CharField(
        max_length=60, help_text="Exact decimal text; 0: none was known, the amounts are left out."
    )
    source = models.CharField(max_length=200, help_text="Where it came from, and of which days.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["closed", "base", "quote"], name="one_frozen_rate")
        ]

    def __str__(self) -> str:
        return f"{self.closed.month:%Y-%m} {self.base}/{self.quote} {self.rate}"


class FrozenSettlement(models.Model):
    """The rate that an invoice was known to be paid at when a month was closed: its amounts count at it."""

    closed = models.ForeignKey(ClosedMonth, on_delete=models.CASCADE, related_name="settlements")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+", db_index=False)
    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    rate = models.CharField(max_length=60, help_text="Exact decimal text.")
    supplier = models.CharField(max_length=100)
    invoice_id = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["closed", "source"], name="one_frozen_settlement")
        ]

    def __str__(self) -> str:
        return f"{self.closed.month:%Y-%m} {self.invoice_id} {self.base}/{self.quote} {self.rate}"


class LateRate(models.Model):
    """The rate of a closed month that froze after its close: of a currency that had none then."""

    closed = models.ForeignKey(
        ClosedMonth,
        on_delete=models.CASCADE,
        related_name="late_rates",
        help_text="The close that the month was closed by; opening it again forgets the rate.",
    )
    month = models.DateField()
    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    rate = models.CharField(max_length=60, help_text="Exact decimal text.")
    source = models.CharField(max_length=200, help_text="Where it came from, and of which days.")
    frozen_at = models.DateTimeField(help_text="When (UTC).")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["closed", "month", "base", "quote"], name="one_late_rate"
            )
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.base}/{self.quote} {self.rate}"


class AtRate(models.Model):
    """The rate that an adjustment was booked at, for good."""

    quote = models.CharField(max_length=3, help_text="The currency that the rate converts into.")
    rate = models.CharField(
        max_length=60,
        help_text="Exact decimal text: that of the month it belongs to; 0 while none is known.",
    )

    class Meta:
        abstract = True


class PriorPeriodAdjustment(ReportedKey, AtRate):
    """What became known of a closed month's cost, booked in the first month that was open then."""

    is_exchange = models.BooleanField(
        "exchange difference",
        default=False,
        help_text="No amount more: these amounts stand already, and the rate is what they are worth more or less.",
    )

    cost_month = models.DateField(help_text="The closed month that the cost belongs to.")
    booked_month = models.DateField(help_text="The open month that bears it in the books.")
    load = models.ForeignKey(
        Load, null=True, on_delete=models.SET_NULL, related_name="+", help_text="What brought it."
    )
    why = models.CharField(max_length=300, help_text="One sentence.")
    made_at = models.DateTimeField(help_text="When it was booked (UTC).")

    class Meta(ReportedKey.Meta):
        ordering = ["-made_at", "-id"]
        indexes = [
            models.Index(fields=["cost_month"], name="adjustment_cost_month"),
            models.Index(fields=["booked_month"], name="adjustment_booked_month"),
        ]

    def __str__(self) -> str:
        return f"{self.cost_month:%Y-%m} in {self.booked_month:%Y-%m} {self.effective_cost}"


class RevenueAdjustment(AtRate):
    """What became known of a closed month's revenue, booked in the first month that was open then."""

    service_month = models.DateField(help_text="The closed month that the revenue belongs to.")
    booked_month = models.DateField(help_text="The open month that bears it in the books.")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    amount = MoneyField()
    why = models.CharField(max_length=300, help_text="One sentence.")
    made_at = models.DateTimeField(help_text="When it was booked (UTC).")

    class Meta:
        ordering = ["-made_at", "-id"]
        indexes = [
            models.Index(fields=["service_month"], name="revenue_adjustment_month"),
            models.Index(fields=["booked_month"], name="revenue_adjustment_booked"),
        ]

    def __str__(self) -> str:
        return f"{self.service_month:%Y-%m} in {self.booked_month:%Y-%m} {self.amount}"


class GlAccount(models.Model):
    """Which account of the general ledger takes an amount: the most specific row that matches wins."""

    class Role(models.TextChoices):
        """What the account is for."""

        EXPENSE = "expense", "expense: debited with the cost"
        PAYABLE = "payable", "payable: credited with invoiced bills"
        ACCRUED = "accrued", "accrued liability: credited until the invoice comes"
        PREPAID = "prepaid", "prepaid: what is billed and not yet effective cost"
        EXCHANGE = "exchange", "exchange differences: what invoices paid at another rate cost more"
        ROUNDING = "rounding", "rounding: cents left by rounding lines"
        SUSPENSE = "suspense", "suspense: where no other row matches"

    role = models.CharField(max_length=8, choices=Role.choices, help_text="What it is for.")
    service_provider_name = models.CharField(
        max_length=100,
        blank=True,
        help_text="Only for this provider, as in Amazon Web Services. Empty: any.",
    )
    service_category = models.CharField(
        max_length=40, blank=True, help_text="Only for this FOCUS service category. Empty: any."
    )
    charge_category = models.CharField(
        max_length=12, blank=True, help_text="Only for Usage, Purchase, Tax, Credit or Adjustment."
    )
    kind = models.CharField(
        max_length=10, blank=True, help_text="Only for billed, estimated or true-up. Empty: any."
    )
    account = models.CharField(
        max_length=32, help_text="The account's number in the general ledger, for example 5010."
    )
    note = models.CharField(max_length=200, blank=True, help_text="What people call it.")

    class Meta:
        ordering = ["role", "service_provider_name", "service_category", "charge_category", "kind"]
        verbose_name = "GL account"
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "role",
                    "service_provider_name",
                    "service_category",
                    "charge_category",
                    "kind",
                ],
                name="one_gl_account_per_key",
            )
        ]

    def __str__(self) -> str:
        about = [
            self.service_provider_name,
            self.service_category,
            self.charge_category,
            self.kind,
        ]
        return f"{self.role} {' '.join(filter(None, about)) or 'any'}: {self.account}"

    def clean(self) -> None:
        """Refuse what could never match, and numbers that a ledger would not take."""
        wrong: dict[str, str] = {}
        if not _ACCOUNT.fullmatch(self.account):
            wrong["account"] = "Write letters, digits, points, hyphens or slashes, as in 5010."
        for name, known in (("charge_category", ChargeCategory), ("kind", CostKind)):
            value = getattr(self, name)
            if value and value not in set(known):
                wrong[name] = f"{value!r} is none: write {', '.join(known)}, or nothing."
        named = [name for name in _MATCHED if getattr(self, name)]
        if self.role == self.Role.ROUNDING and named:
            wrong["role"] = (
                "A rounding account takes the whole journal: leave the other fields empty."
            )
        elif self.role in _OF_BILLS and set(named) - {"service_provider_name"}:
            wrong["role"] = (
                f"An account of this role is chosen by provider only: {self.role} is of a whole bill."
            )
        if wrong:
            raise ValidationError(wrong)


_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9./-]{0,31}", re.ASCII)
_MATCHED = ("service_provider_name", "service_category", "charge_category", "kind")
_OF_BILLS = {GlAccount.Role.PAYABLE, GlAccount.Role.ACCRUED, GlAccount.Role.PREPAID}

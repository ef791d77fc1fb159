"""The price list, kept as versions: a price is never overwritten, its days are closed by what follows."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from finops.models import User
from finops.money import MoneyField, QuantityField
from ingestion.core.pricing import Rounding

_ALIVE = Q(valid_until__isnull=True) | Q(valid_until__gt=F("valid_from"))


class PriceListEntry(models.Model):
    """One version of one price: of a meter, for everyone or for one account, from a day on.

    ``ingestion.core.pricing.Price`` is the same in pure form and says how the figures work together. A
    version whose days are empty was corrected by another one and holds on no day.
    """

    provider = models.CharField(max_length=100, help_text="FOCUS ServiceProviderName.")
    meter = models.CharField(max_length=60, help_text="What is charged for.")
    account = models.CharField(
        max_length=100,
        blank=True,
        help_text="Empty: the list price, for everyone. Else the provider's id of the account whose contract "
        "this is; for time-stamp tokens the tenant's slug.",
    )
    currency = models.CharField(
        max_length=3, default="USD", help_text="Of all amounts here; ISO 4217, for example USD."
    )
    unit = models.CharField(
        max_length=40, help_text="What the vendor prices, for example GB or million requests."
    )
    unit_size = models.PositiveBigIntegerField(
        default=1,
        help_text="How many of what the meter counts one unit holds: 1000000 for million requests, "
        "1000000000 bytes for Cloudflare's GB, 1073741824 bytes for AWS's.",
    )
    unit_price = MoneyField(help_text="In the currency, per unit, beyond what is included.")
    tiers = models.TextField(
        blank=True,
        help_text="Other prices for larger quantities, one a line: above 10240: 0.085. The bound counts "
        "units beyond what is included, per account and month.",
    )
    included_quantity = QuantityField(
        default=Decimal(0), help_text="Units per account and month that cost nothing."
    )
    rounding = models.CharField(
        max_length=10,
        choices=[
            (Rounding.EXACT.value, "exact"),
            (Rounding.UP.value, "up to the next whole unit"),
        ],
        default=Rounding.EXACT.value,
        help_text="How a month's usage is rounded before it is charged; R2 rounds up.",
    )
    monthly_fee = MoneyField(
        default=Decimal(0),
        help_text="In the currency, per account and month, on top of usage. A commitment is a fee with its "
        "quantity included.",
    )
    minimum_charge = MoneyField(
        default=Decimal(0), help_text="In the currency: what a month's usage costs at least."
    )
    valid_from = models.DateField(help_text="First day on which it holds (UTC).")
    valid_until = models.DateField(
        null=True,
        blank=True,
        help_text="First day on which it holds no more. Empty: until further notice.",
    )
    stated_until = models.DateField(
        null=True,
        blank=True,
        editable=False,
        help_text="The end that it was written with; a later version may have closed it sooner.",
    )
    source = models.CharField(
        max_length=300, help_text="The vendor's page or the contract that says so."
    )
    source_read_on = models.DateField(help_text="The day on which somebody read it there.")
    note = models.TextField(
        blank=True, help_text="What a reader should know, for example the region."
    )
    reason = models.CharField(max_length=500, help_text="Why this version was made.")
    replaces = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="replaced_by",
        help_text="The version that this one was made from.",
    )
    seeded = models.BooleanField(
        default=False, editable=False, help_text="It came with the product, no person entered it."
    )
    changed_by = models.ForeignKey(
        User,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who made this version; empty where it came with the product.",
    )
    changed_at = models.DateTimeField(editable=False, help_text="When it was made (UTC).")

    class Meta:
        ordering = ["provider", "meter", "account", "-valid_from", "-id"]
        verbose_name = "price"
        verbose_name_plural = "prices"
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "meter", "account"],
                condition=Q(valid_until__isnull=True),
                name="one_open_price_per_scope",
            ),
            models.UniqueConstraint(
                fields=["provider", "meter", "account", "valid_from"],
                condition=_ALIVE,
                name="one_price_per_scope_and_first_day",
            ),
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=F("valid_from")),
                name="price_does_not_end_before_it_begins",
            ),
        ]

    def __str__(self) -> str:
        whom = f"account {self.account}" if self.account else "list price"
        return f"{self.provider} {self.meter}, {whom}, from {self.valid_from}"

    @property
    def is_replaced(self) -> bool:
        """Whether a correction took all of its days."""
        return self.valid_until is not None and self.valid_until <= self.valid_from

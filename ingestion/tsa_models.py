"""Time-stamp tokens: which responses were counted, their sums by hour and day, contracts and assets."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from finops.models import Tenant, User
from finops.money import MoneyField

KIND = "tsa_api"
"""The kind of the sources that are sent through the API, one for each token's name."""
KINDS = (KIND, "tsa_ndjson", "tsa_responses")
"""Every kind of source that tokens are counted for."""


class TsaLedger(models.Model):
    """One row: whoever counts tokens holds it, so that two never count the same response.

    It also says from when on identities are kept: an older token could not be told from one that was counted.
    """

    kept_from = models.DateTimeField(
        null=True, blank=True, help_text="Tokens before this moment are put aside (UTC)."
    )

    def __str__(self) -> str:
        return f"tokens kept from {self.kept_from}"


class TsaPolicy(models.Model):
    """A policy that tokens are issued under, so that a token bears a number and not its text."""

    oid = models.CharField(max_length=100, unique=True, help_text="Dotted object identifier.")

    def __str__(self) -> str:
        return self.oid


class TsaToken(models.Model):
    """One response that was counted: its SHA-256 is its identity, whatever it came through."""

    identity = models.BinaryField(max_length=32, unique=True, help_text="SHA-256 of the response.")
    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    at = models.DateTimeField(help_text="genTime, or when a rejection was answered (UTC).")
    status = models.PositiveSmallIntegerField(help_text="PKIStatus (RFC 3161, 2.4.2).")
    tenant = models.CharField(max_length=63, blank=True, help_text="Slug; empty: nobody's yet.")
    account = models.CharField(max_length=100, blank=True, help_text="Account at the TSA.")
    digest = models.BinaryField(
        max_length=16, null=True, help_text="What the same digest of the same tenant shares."
    )
    is_duplicate = models.BooleanField(
        default=False, help_text="The tenant has an earlier token for the same digest."
    )
    serial = models.BinaryField(
        max_length=20,
        null=True,
        help_text="Serial number of the token; empty where nobody told it.",
    )
    policy = models.ForeignKey(
        TsaPolicy, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    failure = models.PositiveSmallIntegerField(
        null=True,
        help_text="Bit of PKIFailureInfo (RFC 3161, 2.4.2) of a rejection that bears one.",
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["digest"],
                condition=Q(is_duplicate=False),
                name="one_first_token_per_digest",
            )
        ]
        indexes = [
            models.Index(fields=["source", "at"], name="tsa_token_source_at"),
            # Rejections are few: their reasons are counted without looking at the tokens.
            models.Index(
                fields=["at"], name="tsa_token_failure", condition=Q(failure__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{bytes(self.identity).hex()[:16]} {self.at:%Y-%m-%d %H:%M:%S}"


class _Sums(models.Model):
    tenant = models.CharField(max_length=63, blank=True)
    account = models.CharField(max_length=100, blank=True)
    tokens = models.BigIntegerField(default=0, help_text="Granted, with or without modifications.")
    rejections = models.BigIntegerField(default=0, help_text="Responses without a token.")
    duplicates = models.BigIntegerField(
        default=0, help_text="Tokens for a digest that the tenant had a token for."
    )

    class Meta:
        abstract = True


class TsaHour(_Sums):
    """Tokens of one hour: what is metered and charted."""

    hour = models.DateTimeField(help_text="Start of the hour (UTC).")

    class Meta:
        ordering = ["hour", "tenant", "account"]
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "tenant", "account"], name="one_row_per_tsa_hour"
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00} {self.tenant} {self.tokens}"


class TsaDay(_Sums):
    """Tokens of one day of one source: what pages, contracts and forecasts read."""

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    day = models.DateField(help_text="UTC.")

    class Meta:
        ordering = ["day", "source", "tenant", "account"]
        constraints = [
            models.UniqueConstraint(
                fields=["day", "source", "tenant", "account"], name="one_row_per_tsa_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.tenant} {self.tokens}"


class TsaObject(models.Model):
    """An object of a place that was read: key and mark as one digest, so that it is read once."""

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    name = models.BinaryField(max_length=16, help_text="Digest of key and mark.")
    taken_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "name"], name="one_row_per_tsa_object")
        ]
        indexes = [models.Index(fields=["taken_at"], name="tsa_object_taken")]

    def __str__(self) -> str:
        return bytes(self.name).hex()


class TenantAssets(models.Model):
    """How many assets a tenant keeps from a day on, until a later row says otherwise."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    day = models.DateField(help_text="First day on which it is so (UTC).")
    assets = models.PositiveBigIntegerField(help_text="What is kept under time stamps.")
    changed_at = models.DateTimeField(editable=False, help_text="When it was said (UTC).")

    class Meta:
        ordering = ["tenant__slug", "-day"]
        verbose_name = "number of assets"
        verbose_name_plural = "numbers of assets"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "day"], name="one_number_of_assets_per_day")
        ]

    def __str__(self) -> str:
        return f"{self.tenant.slug} from {self.day}: {self.assets}"


class TsaContract(models.Model):
    """One version of a contract with a TSA: so many tokens in so many months for one fee.

    ``ingestion.core.tsa_contract.Contract`` is the same in pure form and says how the figures work. A change
    is a new version with a reason; the one that it replaces keeps its row and holds no more.
    """

    name = models.CharField(max_length=100, help_text="What people call it.")
    service_provider_name = models.CharField(
        max_length=100, help_text="FOCUS ServiceProviderName: who answers the requests."
    )
    account = models.CharField(
        max_length=100,
        blank=True,
        help_text="The account at the TSA whose tokens it covers. Empty: all without a contract of their own.",
    )
    currency = models.CharField(
        max_length=3, default="EUR", help_text="Of all amounts here; ISO 4217, for example EUR."
    )
    valid_from = models.DateField(help_text="First day, the 1st of a month (UTC).")
    valid_until = models.DateField(
        help_text="First day on which it holds no more, the 1st of a month."
    )
    commitment = models.PositiveBigIntegerField(
        help_text="Tokens that the fee includes, from the first day to the last."
    )
    fee = MoneyField(help_text="In the currency, for the whole time; months bear it by days.")
    overage_price = MoneyField(help_text="In the currency, for one token beyond the commitment.")
    tiers = models.TextField(
        blank=True,
        help_text="Other prices for larger quantities, one a line: above 100000: 0.08. The bound counts "
        "tokens beyond the commitment.",
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
    is_current = models.BooleanField(default=True, editable=False, help_text="Whether it holds.")
    changed_by = models.ForeignKey(
        User,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who made this version.",
    )
    changed_at = models.DateTimeField(editable=False, help_text="When it was made (UTC).")

    class Meta:
        ordering = ["account", "-valid_from", "-id"]
        verbose_name = "TSA contract"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "valid_from"],
                condition=Q(is_current=True),
                name="one_tsa_contract_per_account_and_first_day",
            ),
            models.CheckConstraint(
                condition=Q(valid_until__gt=F("valid_from")),
                name="tsa_contract_ends_after_it_begins",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, from {self.valid_from} until {self.valid_until}"

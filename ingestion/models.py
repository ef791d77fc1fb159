"""What was delivered, what of it is current, and what had to be put aside."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q, Value

from finops.core.amounts import MONEY_QUANTUM, TAIL_UNITS, join_exact
from finops.money import MoneyField

# Django looks for an app's tables here alone; that room names the others.
from ingestion import other_models  # noqa: F401
from ingestion.revenue_models import RevenueRow as RevenueRow  # noqa: PLC0414  # it is found here


class Connection(models.Model):
    """A place that is looked at on a schedule: a folder or a bucket, read by one kind of reader.

    Credentials are never kept here: an S3 place uses the standard chain of the process that reads it.
    """

    slug = models.SlugField(max_length=80, unique=True, help_text="The name in commands and pages.")
    kind = models.CharField(
        max_length=40, help_text="Which reader reads it, for example aws_cur (ingestion/sources)."
    )
    location = models.CharField(
        max_length=500,
        help_text="A folder (/srv/bills) or a bucket with a prefix (s3://acme-billing/cur).",
    )
    endpoint_url = models.CharField(
        max_length=300,
        blank=True,
        help_text="Where S3 is spoken other than at AWS, for example R2. Empty: AWS itself.",
    )
    settings = models.JSONField(
        default=dict,
        blank=True,
        help_text="What its reader needs to know beside the place, as an object; never a secret.",
    )
    check_every_minutes = models.PositiveIntegerField(
        default=60, help_text="Minutes between two looks at it. 60 for bills."
    )
    is_active = models.BooleanField(
        default=True, help_text="An inactive connection is looked at only by hand."
    )
    created_at = models.DateTimeField(help_text="When it was created here (UTC).")
    checked_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was last looked at (UTC)."
    )
    problem = models.TextField(
        blank=True, help_text="Why the last look failed: one sentence. Empty: it did not."
    )

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug


class Source(models.Model):
    """One thing that is delivered: an AWS export, a revenue file."""

    slug = models.CharField(
        max_length=80, unique=True, help_text="The name in commands and addresses."
    )
    kind = models.CharField(
        max_length=40,
        help_text="Which reader reads it, for example aws_cur (see ingestion/sources).",
    )
    identity = models.CharField(
        max_length=300,
        help_text="What the provider calls it, for example the ARN of the export. Never reused.",
    )
    name = models.CharField(max_length=200, help_text="The name people read.")
    service_provider_name = models.CharField(
        max_length=100,
        blank=True,
        help_text="FOCUS ServiceProviderName; empty for revenue, and where bills name several providers.",
    )
    expected_every_hours = models.PositiveIntegerField(
        default=36,
        help_text="Hours after which data is called late: the newest charge must be younger than this.",
    )
    is_expectation_learnt = models.BooleanField(
        "expected hours are learnt",
        default=True,
        help_text="Whether a FOCUS source takes its expected hours from how its bills have come so far; other "
        "sources never do. It ends when a person sets the hours.",
    )
    is_active = models.BooleanField(
        default=True, help_text="An inactive source is not expected to deliver."
    )
    connection = models.ForeignKey(
        Connection,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="sources",
        help_text="Where it was last found; empty when it was loaded by hand.",
    )
    created_at = models.DateTimeField(help_text="First seen (UTC).")

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "identity"], name="one_source_per_identity")
        ]

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """What a source handed over once: a manifest with its files, or one file."""

    class State(models.TextChoices):
        """discovered → loading → loaded or rejected; `superseded` when a newer one was there first."""

        DISCOVERED = "discovered"
        LOADING = "loading"
        LOADED = "loaded"
        REJECTED = "rejected"
        SUPERSEDED = "superseded"

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="deliveries")
    key = models.CharField(
        max_length=1000, help_text="The manifest's or file's key as the provider names it."
    )
    execution_id = models.CharField(
        max_length=200, blank=True, help_text="The provider's id of this run."
    )
    delivered_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider made it (UTC), where its key says so."
    )
    billing_period = models.DateField(
        null=True, blank=True, help_text="First day of the month; empty for revenue."
    )
    sha256 = models.CharField(
        max_length=64, blank=True, help_text="Digest over the manifest and its files."
    )
    state = models.CharField(max_length=12, choices=State.choices, default=State.DISCOVERED)
    rows = models.PositiveBigIntegerField(default=0, help_text="Rows in the files, loaded or not.")
    rejected_rows = models.PositiveBigIntegerField(default=0, help_text="Rows put aside.")
    bytes = models.PositiveBigIntegerField(default=0, help_text="Size of the files as delivered.")
    error = models.TextField(blank=True, help_text="Why it was rejected: one sentence.")
    manifest_etag = models.CharField(
        max_length=200,
        blank=True,
        help_text="The store's mark of the manifest's bytes: equal marks need no second reading.",
    )
    discovered_at = models.DateTimeField(help_text="First seen (UTC).")
    started_at = models.DateTimeField(
        null=True, blank=True, help_text="When its last reading began (UTC)."
    )
    finished_at = models.DateTimeField(null=True, blank=True, help_text="Loaded or rejected (UTC).")

    class Meta:
        ordering = ["-discovered_at", "-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            # Two, because SQLite takes two empty periods for two different ones.
            models.UniqueConstraint(
                fields=["source", "billing_period", "key", "execution_id", "sha256"],
                name="one_row_per_delivery",
            ),
            models.UniqueConstraint(
                fields=["source", "key", "execution_id", "sha256"],
                condition=Q(billing_period__isnull=True),
                name="one_row_per_delivery_without_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source.slug} {self.key}"


class Load(models.Model):
    """One reading of a delivery into the lake; the row decides what readers see."""

    class State(models.TextChoices):
        """staged (invisible) → current → superseded."""

        STAGED = "staged"
        CURRENT = "current"
        SUPERSEDED = "superseded"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="loads")
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="loads")
    billing_period = models.DateField(help_text="First day of the month.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.STAGED)
    kind = models.CharField(max_length=10, default="billed", help_text="As its ledger rows.")
    lines = models.PositiveBigIntegerField(default=0, help_text="Charge lines in the lake.")
    rejected_lines = models.PositiveBigIntegerField(default=0)
    line_types = models.JSONField(
        default=dict, help_text="Provider's line type → number of lines; unknown ones are here too."
    )
    unknown_line_types = models.JSONField(
        default=list, help_text="Types that the reader does not know."
    )
    data_through = models.DateTimeField(
        null=True, blank=True, help_text="End of the newest usage in it (UTC)."
    )
    first_day = models.DateField(
        null=True, blank=True, help_text="First day that a line is charged for."
    )
    last_day = models.DateField(
        null=True, blank=True, help_text="Last day that a line is charged for."
    )
    billing_accounts = models.JSONField(default=list, help_text="Accounts whose bill it holds.")
    form = models.CharField(
        max_length=30, blank=True, help_text="The form it was delivered in, as in CUR 2.0 csv."
    )
    cost_basis = models.CharField(
        max_length=12,
        blank=True,
        help_text="Which cost of the bill counts, chosen once per delivery: net or unblended.",
    )
    is_invoiced = models.BooleanField(
        default=False, help_text="Whether every line that costs something carries an invoice id."
    )
    notes = models.JSONField(
        default=list, help_text="Sentences on what was unusual in it; none of them changes a sum."
    )
    purged_at = models.DateTimeField(
        null=True, blank=True, help_text="When retention removed its files (UTC); totals stay."
    )
    started_at = models.DateTimeField()
    committed_at = models.DateTimeField(null=True, blank=True)
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "billing_period"],
                condition=Q(state="current"),
                name="one_current_load_per_period",
            )
        ]

    def __str__(self) -> str:
        return f"{self.source.slug} {self.billing_period:%Y-%m} ({self.state})"


class LakeFile(models.Model):
    """One Parquet file of a load: the catalogue that readers get their file lists from."""

    class Kind(models.TextChoices):
        """Which table of the lake."""

        CHARGES = "charges"
        ALLOCATED = "allocated"
        HOURLY = "hourly"

    load = models.ForeignKey(Load, on_delete=models.CASCADE, related_name="files")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    path = models.CharField(max_length=500, help_text="Below the lake's root.")
    rows = models.PositiveBigIntegerField()
    bytes = models.PositiveBigIntegerField()
    left_at = models.DateTimeField(
        null=True,
        blank=True,
        db_index=True,
        help_text="When readers ceased to be given it (UTC); it is removed a day later.",
    )

    class Meta:
        ordering = ["load", "kind", "path"]
        constraints = [models.UniqueConstraint(fields=["path"], name="one_row_per_lake_file")]

    def __str__(self) -> str:
        return self.path


_UNIT = Value(MONEY_QUANTUM, output_field=MoneyField())


class LoadTotal(models.Model):
    """A load's control totals of one provider in one currency, on billed cost, exact to 18 decimals.

    An exact amount is a head of 8 decimals, rounded down, and a tail in units of 1e-18. The ledger's
    own sums have no tail. The database refuses a row that does not add up.
    """

    EXACT: ClassVar[tuple[str, ...]] = ("source_total", "ingested", "rejected", "rounding")

    load = models.ForeignKey(Load, on_delete=models.CASCADE, related_name="totals")
    billing_currency = models.CharField(max_length=3)
    service_provider_name = models.TextField(
        blank=True,
        default="",
        help_text="Whose charges: as the lines say, else the source's. Empty: rows that name nobody.",
    )
    source_total_head = MoneyField(
        help_text="Sum over the source's rows, read before anything else."
    )
    source_total_tail = models.BigIntegerField()
    ingested_head = MoneyField(help_text="Sum of the charge lines in the lake.")
    ingested_tail = models.BigIntegerField()
    rejected_head = MoneyField(help_text="Sum of the readable amounts among the rejected rows.")
    rejected_tail = models.BigIntegerField()
    allocated = MoneyField(help_text="Ledger rows that a tenant bears.")
    unallocated = MoneyField(help_text="Ledger rows that no tenant bears yet.")
    rounding_head = MoneyField(help_text="What rounding ledger rows to 8 decimals left.")
    rounding_tail = models.BigIntegerField()
    beyond_18_decimals = models.CharField(
        max_length=120,
        default="0",
        help_text="Sum of the source's digits after the 18th decimal, exact; the lake cannot hold them.",
    )
    lines = models.PositiveBigIntegerField()
    rejected_lines = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["load", "billing_currency", "service_provider_name"],
                name="one_total_per_provider_and_currency",
            ),
            models.CheckConstraint(
                name="ingested_is_allocated_unallocated_and_residual",
                condition=Q(ingested_head=F("allocated") + F("unallocated") + F("rounding_head"))
                & Q(ingested_tail=F("rounding_tail")),
            ),
            models.CheckConstraint(
                name="source_is_ingested_and_rejected",
                condition=(
                    Q(source_total_head=F("ingested_head") + F("rejected_head"))
                    & Q(source_total_tail=F("ingested_tail") + F("rejected_tail"))
                )
                | (
                    Q(source_total_head=F("ingested_head") + F("rejected_head") + _UNIT)
                    & Q(source_total_tail=F("ingested_tail") + F("rejected_tail") - TAIL_UNITS)
                ),
            ),
            models.CheckConstraint(
                name="tails_are_below_one_unit",
                condition=Q(source_total_tail__range=(0, TAIL_UNITS - 1))
                & Q(ingested_tail__range=(0, TAIL_UNITS - 1))
                & Q(rejected_tail__range=(0, TAIL_UNITS - 1))
                & Q(rounding_tail__range=(0, TAIL_UNITS - 1)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.load} {self.billing_currency}"

    def exact(self, name: str) -> Decimal:
        """One of ``EXACT`` as the full amount in ``billing_currency``."""
        return join_exact(getattr(self, f"{name}_head"), getattr(self, f"{name}_tail"))


class RejectedRow(models.Model):
    """A row that could not be read: where it stands, why, and what of it may be shown."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="rejects")
    file = models.CharField(max_length=1000, help_text="Key of the file within the delivery.")
    line = models.PositiveBigIntegerField(help_text="Line of the file, the header being line 1.")
    reason = models.CharField(max_length=300, help_text="One sentence.")
    text = models.TextField(help_text="The row, redacted and cut.")
    amount = models.CharField(
        max_length=80, blank=True, help_text="Its cost, exact, where that could be read."
    )
    billing_currency = models.CharField(max_length=3, blank=True)

    class Meta:
        ordering = ["delivery", "file", "line"]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.reason}"

"""Usage: what was read of it, which files of it readers may see, and what had to be put aside.

One reading is a ``UsageLoad``; it adds to what is there.
"""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from finops.money import QuantityField
from ingestion.core.path_prefix import NAMES_FOLLOW


class UsageLoad(models.Model):
    """One reading of usage into the lake; it exists only once all that belongs to it is visible."""

    class Mode(models.TextChoices):
        """How it joins what is there: a log's lines add to it."""

        APPEND = "append"

    class State(models.TextChoices):
        """Whether readers see it."""

        CURRENT = "current"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="usage_loads"
    )
    mode = models.CharField(max_length=8, choices=Mode.choices)
    state = models.CharField(max_length=12, choices=State.choices, default=State.CURRENT)
    first_hour = models.DateTimeField(null=True, blank=True, help_text="First hour in it (UTC).")
    last_hour = models.DateTimeField(null=True, blank=True, help_text="Last hour in it (UTC).")
    newest_event = models.DateTimeField(
        null=True, blank=True, help_text="Newest event in it (UTC), never later than its reading."
    )
    objects_read = models.PositiveIntegerField(default=0)
    lines = models.PositiveBigIntegerField(
        default=0, help_text="Lines of its objects, all of them."
    )
    duplicates = models.PositiveBigIntegerField(
        default=0, help_text="Lines that were counted before."
    )
    rejected = models.PositiveBigIntegerField(default=0, help_text="Lines put aside.")
    sample_rate = models.DecimalField(
        max_digits=7,
        decimal_places=6,
        default=Decimal(1),
        help_text="Share of the requests that the vendor logged: quantities are divided by it.",
    )
    notes = models.JSONField(default=list, help_text="Sentences on what was unusual in it.")
    started_at = models.DateTimeField()
    committed_at = models.DateTimeField()

    class Meta:
        ordering = ["-committed_at"]

    def __str__(self) -> str:
        return f"{self.source.slug} {self.committed_at:%Y-%m-%d %H:%M} ({self.state})"


class UsageFile(models.Model):
    """One Parquet file of a usage load: the catalogue that readers get their file lists from."""

    class Kind(models.TextChoices):
        """Facts are read by all, keys only by the next reading of the same source."""

        FACTS = "facts"
        KEYS = "keys"

    load = models.ForeignKey(UsageLoad, on_delete=models.CASCADE, related_name="files")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    day = models.DateField(help_text="The UTC day of every hour in it.")
    first_hour = models.DateTimeField()
    last_hour = models.DateTimeField()
    path = models.CharField(max_length=500, unique=True, help_text="Below the lake's root.")
    rows = models.PositiveBigIntegerField()
    bytes = models.PositiveBigIntegerField()
    is_daily = models.BooleanField(
        default=False,
        help_text="Whether hours and paths of its day were put together: USAGE_DETAIL_DAYS went by.",
    )
    left_at = models.DateTimeField(
        null=True,
        blank=True,
        db_index=True,
        help_text="When readers ceased to be given it (UTC); it is removed a day later.",
    )

    class Meta:
        ordering = ["day", "path"]
        indexes = [models.Index(fields=["kind", "day"], name="usage_file_by_day")]

    def __str__(self) -> str:
        return self.path


class LogObject(models.Model):
    """One object of a log: its key with the store's mark of its bytes is its identity."""

    class State(models.TextChoices):
        """What became of it; an object that was only listed has no row."""

        LOADED = "loaded"
        SKIPPED = "skipped"
        REJECTED = "rejected"

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="log_objects"
    )
    key = models.CharField(max_length=1024)
    mark = models.CharField(max_length=200, help_text="ETag, or size and time of a file.")
    bytes = models.PositiveBigIntegerField(help_text="Size as delivered.")
    state = models.CharField(max_length=8, choices=State.choices)
    reason = models.TextField(blank=True, help_text="Why it was skipped or rejected: one sentence.")
    lines = models.PositiveBigIntegerField(default=0, help_text="Lines in it, blank ones left out.")
    duplicates = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0)
    first_event = models.DateTimeField(null=True, blank=True)
    last_event = models.DateTimeField(null=True, blank=True)
    load = models.ForeignKey(
        UsageLoad, null=True, blank=True, on_delete=models.SET_NULL, related_name="objects_taken"
    )
    taken_at = models.DateTimeField()

    class Meta:
        ordering = ["-taken_at", "key"]
        constraints = [
            models.UniqueConstraint(fields=["source", "key", "mark"], name="one_row_per_log_object")
        ]
        indexes = [models.Index(fields=["state", "-taken_at"], name="log_object_by_state")]

    def __str__(self) -> str:
        return f"{self.source.slug} {self.key}"


class PastObjects(models.Model):
    """The objects of a log whose keys name one day, kept as digests and sums once their rows were forgotten."""

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="past_objects"
    )
    named_day = models.CharField(
        max_length=10, blank=True, help_text="YYYY-MM-DD; empty: their keys name no day."
    )
    digests = models.BinaryField(
        help_text="16 bytes for each object, of its key and mark (ingestion/log_objects.py)."
    )
    loaded = models.PositiveBigIntegerField(default=0)
    skipped = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    lines = models.PositiveBigIntegerField(default=0)
    duplicates = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0, help_text="Lines put aside.")

    class Meta:
        ordering = ["source", "named_day"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "named_day"], name="one_row_of_past_objects_per_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source.slug} {self.named_day or 'no day'}"


class LogLook(models.Model):
    """When the whole place of a log was listed, and what between two such looks must be listed."""

    source = models.OneToOneField(
        "ingestion.Source", on_delete=models.CASCADE, related_name="log_look"
    )
    whole_at = models.DateTimeField(
        null=True, blank=True, help_text="When everything at its place was last listed (UTC)."
    )
    newest_event = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The newest event when the last look ended (UTC), never later than its begin.",
    )
    left_from = models.DateField(
        null=True,
        blank=True,
        help_text="The first day of an object that could not be read at the last look: listed again.",
    )

    def __str__(self) -> str:
        return f"{self.source.slug} {self.whole_at}"


class RejectedLine(models.Model):
    """A line of an object that was put aside; of an object with very many only the first are kept."""

    log_object = models.ForeignKey(LogObject, on_delete=models.CASCADE, related_name="rejects")
    line = models.PositiveBigIntegerField(help_text="Line of the object, from 1.")
    reason = models.CharField(max_length=300, help_text="One sentence that names the field.")
    text = models.TextField(
        blank=True, help_text="What of the line may be shown, redacted and cut."
    )

    class Meta:
        ordering = ["log_object", "line"]

    def __str__(self) -> str:
        return f"{self.log_object.key}:{self.line} {self.reason}"


class LogDay(models.Model):
    """One UTC day of a log: what was counted, and whether its keys are still there to tell doubles."""

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="log_days"
    )
    day = models.DateField()
    lines = models.PositiveBigIntegerField(default=0, help_text="Lines that counted.")
    keys_left_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When its keys were let go (UTC): a line of this day that comes later is put aside.",
    )

    class Meta:
        ordering = ["source", "day"]
        constraints = [
            models.UniqueConstraint(fields=["source", "day"], name="one_row_per_log_day")
        ]

    def __str__(self) -> str:
        return f"{self.source.slug} {self.day}"


class UsageDay(models.Model):
    """One quantity of one metric on one UTC day, for pages; hours and prefixes are in the lake."""

    source = models.ForeignKey(
        "ingestion.Source", on_delete=models.PROTECT, related_name="usage_days"
    )
    day = models.DateField()
    zone = models.CharField(max_length=255, blank=True)
    host = models.CharField(max_length=255, blank=True)
    cache_status = models.CharField(
        max_length=80,
        blank=True,
        help_text="Cloudflare's status, or what a cache before it said (RFC 9211), as its metric has it.",
    )
    script = models.CharField(max_length=100, blank=True)
    metric = models.CharField(max_length=40, help_text="An id of ingestion.core.usage.METRICS.")
    quantity = QuantityField()
    unit = models.CharField(max_length=20)
    is_sampled = models.BooleanField(default=False, help_text="Estimated from a sample.")

    class Meta:
        ordering = ["source", "day", "metric", "host"]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "source",
                    "day",
                    "zone",
                    "host",
                    "cache_status",
                    "script",
                    "metric",
                    "is_sampled",
                ],
                name="one_row_per_usage_day",
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.metric} {self.host}"


class LogpushSettings(models.Model):
    """What a Logpush job's own settings do to its lines, and how finely paths are kept."""

    connection = models.OneToOneField(
        "ingestion.Connection", on_delete=models.CASCADE, related_name="logpush"
    )
    sample_rate = models.DecimalField(
        max_digits=7,
        decimal_places=6,
        default=Decimal(1),
        validators=[MinValueValidator(Decimal("0.000001")), MaxValueValidator(Decimal(1))],
        help_text="The job's sample_rate, 0.1 for a tenth: quantities are divided by it and marked.",
    )
    filtered = models.CharField(
        max_length=300,
        blank=True,
        help_text="What the job's filter leaves out, in words. Empty: it has no filter.",
    )
    path_depth = models.PositiveSmallIntegerField(
        default=2,
        validators=[MaxValueValidator(5)],
        help_text="How many segments of a path are kept.",
    )
    names_follow = models.CharField(
        max_length=500,
        blank=True,
        default=" ".join(NAMES_FOLLOW),
        help_text="Segments of a path, separated by blanks: the one behind each is masked, as it may be a name.",
    )
    most_prefixes = models.PositiveSmallIntegerField(
        default=200,
        validators=[MinValueValidator(1)],
        help_text="How many prefixes an hour of a host may have; the rest is 'other'.",
    )
    most_hosts = models.PositiveSmallIntegerField(
        default=500,
        validators=[MinValueValidator(1)],
        help_text="How many hosts an hour of a zone may have; the rest is 'other'.",
    )
    lateness_minutes = models.PositiveSmallIntegerField(
        default=10, help_text="How late objects may come: an hour is complete that much after it."
    )
    keys_hours = models.PositiveSmallIntegerField(
        default=48,
        validators=[MinValueValidator(1)],
        help_text="How long after its day a line that comes again is recognised.",
    )

    class Meta:
        verbose_name_plural = "Logpush settings"
        constraints = [
            models.CheckConstraint(
                condition=Q(sample_rate__gt=0) & Q(sample_rate__lte=1),
                name="a_sample_rate_is_a_share",
            )
        ]

    def __str__(self) -> str:
        return f"Logpush settings of {self.connection.slug}"

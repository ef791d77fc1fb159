"""Where hosts have their origins, and whose hosts, Workers and buckets are."""

from __future__ import annotations

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from finops.models import Tenant
from ingestion.core.egress import OriginKind
from ingestion.core.origins import PATTERN


class HostOrigin(models.Model):
    """The origin of one host or of all hosts below a domain; the most exact pattern holds."""

    pattern = models.CharField(
        max_length=255,
        unique=True,
        validators=[
            RegexValidator(
                rf"^(?:{PATTERN.pattern})\Z",
                "Write a host (files.example.com), all below a domain (*.example.com) or * for the rest, "
                "in lower case.",
            )
        ],
        help_text="A host as logs name it, *.example.com for all below a domain, * for all others.",
    )
    kind = models.CharField(
        max_length=10,
        choices=[
            (OriginKind.AWS.value, "AWS"),
            (OriginKind.R2.value, "Cloudflare R2"),
            (OriginKind.OTHER.value, "elsewhere, not priced here"),
        ],
        help_text="AWS charges for what leaves it, R2 does not.",
    )
    region_id = models.CharField(
        max_length=40, blank=True, help_text="AWS region, for example eu-west-1."
    )
    account = models.CharField(
        max_length=40,
        blank=True,
        help_text="AWS account that serves it, as the bill names it. Empty: any.",
    )
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["pattern"]
        verbose_name = "origin of hosts"
        verbose_name_plural = "origins of hosts"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="aws") | Q(account="", region_id=""),
                name="only_aws_origins_have_an_account",
                violation_error_message="Only an origin in AWS has a region and an account.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.pattern}: {self.get_kind_display()}"


class UsageOwner(models.Model):
    """Whose a host, a Worker or a bucket is, where its name does not say so."""

    class Kind(models.TextChoices):
        """What the name is of: the tag that metered usage bears."""

        HOST = "host"
        SCRIPT = "script"
        BUCKET = "bucket"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(
        max_length=255,
        help_text="The host (or *.example.com for all below a domain), the script or the bucket.",
    )
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    confidence = models.DecimalField(
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.90"),
        validators=[MinValueValidator(Decimal("0.50")), MaxValueValidator(Decimal("1.00"))],
        help_text="How sure it is: 1.00 where it serves this tenant alone by contract, 0.50 at least.",
    )
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["kind", "name"]
        verbose_name = "owner of usage"
        verbose_name_plural = "owners of usage"
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="one_owner_per_name")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.tenant}"

"""Where hosts have their origins: what makes money of the bytes that leave them."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

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

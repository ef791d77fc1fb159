"""The tables of the API: tokens, and the answers that are kept to be given again."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """A key to the API. It may do what its scopes name and its owner may, never more; seen by its
    owner's tenant scope. Of the secret only a hash is kept."""

    token_id = models.CharField(
        max_length=12, unique=True, help_text="The public part: fce_<this>_<secret>."
    )
    secret_hash = models.CharField(max_length=64, help_text="SHA-256 of the secret.")
    name = models.CharField(
        max_length=60,
        help_text="What uses it, for example billing-robot. Usage that it sends is a source of this name.",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="api_tokens",
        help_text="Whose rights and tenants bound it, as they are at each request.",
    )
    scopes = models.JSONField(help_text="What it may do, for example view_pnl.")
    expires_at = models.DateTimeField(help_text="From then on it is refused (UTC).")
    revoked_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was revoked (UTC). Empty: it was not."
    )
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was last used (UTC), to the minute."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who issued it. Empty: the command line.",
    )
    created_at = models.DateTimeField(help_text="When it was issued (UTC).")

    class Meta:
        verbose_name = "API token"
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.token_id})"

    def state_at(self, now: datetime) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= now else "active"


class TokenName(models.Model):
    """Whose tokens bear a name. Usage that tokens of one name send is one source, so a name has one owner."""

    name = models.CharField(max_length=60, unique=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} of {self.owner}"


class KeptAnswer(models.Model):
    """What a write answered, to be given again to the same request: written with the write's effect."""

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255, help_text="The request's Idempotency-Key.")
    request_hash = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField(default=0, help_text="Of the answer.")
    body = models.TextField(blank=True, help_text="The answer, JSON.")
    created_at = models.DateTimeField(db_index=True, help_text="When it was first asked (UTC).")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "key"], name="one_answer_per_key"),
        ]

    def __str__(self) -> str:
        return f"{self.key} → {self.status}"

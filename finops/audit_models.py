"""The audit log: who did what to which thing, and why. Rows are added and never touched again."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models


class AppendOnlyError(TypeError):
    """Somebody tried to change or remove an entry; the database refuses it as well."""


_REFUSED = "An entry of the audit log is never changed or removed: add one that corrects it."


class AppendOnlyQuerySet(models.QuerySet["AuditEntry"]):
    """Rows can be read and added."""

    def update(self, **_values: Any) -> NoReturn:
        """Never."""
        raise AppendOnlyError(_REFUSED)

    def delete(self) -> NoReturn:
        """Never."""
        raise AppendOnlyError(_REFUSED)


class AuditEntry(models.Model):
    """One deed. ``finops.audit.record`` is the only writer; triggers refuse UPDATE and DELETE."""

    number = models.BigIntegerField(primary_key=True, help_text="1, 2, 3 …, without a gap.")
    at = models.DateTimeField(help_text="When it was done (UTC).")
    actor = models.CharField(
        max_length=150, help_text="Sign-in name at that time; “system” where no person did it."
    )
    # No foreign key: the log outlives people, and an account's removal must not write to it.
    actor_number = models.BigIntegerField(null=True, help_text="Id of the account; empty: none.")
    verb = models.CharField(max_length=60, help_text="What was done, for example month.close.")
    target = models.CharField(max_length=200, help_text="To what, for example month 2026-09.")
    before = models.TextField(help_text="The state before as canonical JSON, without secrets.")
    after = models.TextField(help_text="The state after as canonical JSON, without secrets.")
    reason = models.TextField(blank=True, help_text="Why, in the words of the actor.")
    previous_hash = models.CharField(max_length=64, help_text="The hash of the entry before.")
    hash = models.CharField(
        max_length=64, help_text="SHA-256 over this entry and the hash before it."
    )

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["verb", "number"], name="audit_verb"),
            models.Index(fields=["actor", "number"], name="audit_actor"),
            models.Index(fields=["target", "number"], name="audit_target"),
            models.Index(fields=["at"], name="audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.verb} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the row; raises ``AppendOnlyError`` for one that is stored already."""
        if not self._state.adding:
            raise AppendOnlyError(_REFUSED)
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Never."""
        raise AppendOnlyError(_REFUSED)


class AuditHead(models.Model):
    """The newest entry: one row, whose lock makes writers queue, and which tells when the end was cut off."""

    number = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.number} {self.hash[:12]}"

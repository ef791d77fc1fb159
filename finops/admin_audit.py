"""Changes that people make in the admin, each with an entry in the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from finops import audit
from finops.models import User


class AuditedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """Notes who added, changed or removed a row, with its fields before and after.

    The admin's own transaction holds both. Where the model has a field ``reason``, it is the entry's reason.
    """

    def save_model(
        self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool
    ) -> None:
        """Save, and note it where anything changed."""
        before = _fields(type(obj)._default_manager.filter(pk=obj.pk)) if change else {}
        super().save_model(request, obj, form, change)
        after = _fields(type(obj)._default_manager.filter(pk=obj.pk))
        if before != after:
            _note(request, obj, "change" if change else "add", before, after)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Remove, and note it."""
        before = _fields(type(obj)._default_manager.filter(pk=obj.pk))
        _note(request, obj, "delete", before, {})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Remove several, and note each."""
        for obj in queryset:
            self.delete_model(request, obj)


def _note(
    request: HttpRequest, obj: Model, verb: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    name = str(obj._meta.verbose_name)
    audit.record(
        actor=request.user if isinstance(request.user, User) else None,
        verb=f"{obj._meta.model_name}.{verb}",
        target=f"{name} {obj.pk}: {obj}"[:200],
        before=before,
        after=after,
        reason=str(getattr(obj, "reason", "")),
    )


def _fields(rows: Iterable[Model]) -> dict[str, Any]:
    """The stored fields by name; amounts and moments become text in the log."""
    for row in rows:
        return {field.name: field.value_from_object(row) for field in row._meta.concrete_fields}
    return {}

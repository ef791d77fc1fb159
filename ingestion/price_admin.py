"""Admin of the price list: every save is a new version with a reason; nothing is overwritten or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.forms import CharField, ChoiceField, ModelForm, Textarea
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from finops import clock
from finops.core.amounts import plain
from finops.models import User
from ingestion.core.meters import METERS
from ingestion.core.price_rules import parse_tiers, price_text
from ingestion.core.pricing import Price, PriceError, Rounding
from ingestion.price_models import PriceListEntry
from ingestion.price_services import PriceRefusedError, add_price, change_price, check_price
from ingestion.prices import price_of, versions_of

_COLUMNS = {"included": "included_quantity"}
"""Field of ``Price`` → field of the form, where the names differ."""
_MINE = (
    "account",
    "currency",
    "unit",
    "unit_size",
    "unit_price",
    "monthly_fee",
    "minimum_charge",
    "valid_from",
    "valid_until",
    "source",
    "source_read_on",
    "note",
)


_FIGURES = {"unit_price", "included_quantity", "monthly_fee", "minimum_charge"}


class PriceForm(ModelForm):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """A price as it will hold, and why; says at once what the list does not take."""

    price: Price

    meter = ChoiceField(help_text="What is charged for, and what its quantities are counted in.")
    reason = CharField(
        max_length=500,
        widget=Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
        help_text="Why this version is made: a contract, a new page of the vendor, a mistake.",
    )

    class Meta:
        model = PriceListEntry
        fields = ("meter", "tiers", "included_quantity", "rounding", "reason", *_MINE)
        widgets = {
            "tiers": Textarea(attrs={"rows": 4, "class": "vLargeTextField"}),
            "note": Textarea(attrs={"rows": 4, "class": "vLargeTextField"}),
            "source": Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "meter" in self.fields:
            self.fields["meter"].choices = list(_meters_by_provider())  # type: ignore[attr-defined]  # a ChoiceField
        if self.instance.pk is not None:
            # A change says anew why, and from which day.
            self.initial.update(reason="", valid_from=None)
            for name in _FIGURES & self.initial.keys():
                self.initial[name] = plain(self.initial[name])
            if "valid_from" in self.fields:
                self.fields["valid_from"].help_text = (
                    "First day of the new version (UTC); the present one ends there. Its own first day, "
                    f"{self.instance.valid_from}, makes the change a correction."
                )

    def clean_tiers(self) -> str:
        """Refuse what is no list of tiers."""
        text = str(self.cleaned_data["tiers"])
        try:
            parse_tiers(text)
        except PriceError as error:
            self.add_error("tiers", str(error))
        return text

    def clean(self) -> dict[str, Any]:
        """Ask the price list whether it would take this."""
        found = super().clean() or {}
        if self.errors:
            return found
        changed = self.instance if self.instance.pk is not None else None
        meter = self.instance.meter if changed else str(found["meter"])
        if changed:
            found["account"] = changed.account
        self.price = Price(
            provider=METERS[meter].provider if meter in METERS else self.instance.provider,
            meter=meter,
            tiers=parse_tiers(found["tiers"]),
            included=found["included_quantity"],
            rounding=Rounding(found["rounding"]),
            **{name: found[name] for name in _MINE},
        )
        stored = PriceListEntry.objects.get(pk=changed.pk) if changed else None
        try:
            check_price(price=self.price, reason=str(found["reason"]), changed=stored)
        except PriceRefusedError as error:
            for field, sentence in error.problems:
                name = _COLUMNS.get(field, field)
                self.add_error(name if name in self.fields else None, sentence)
        return found


class StateFilter(admin.SimpleListFilter):
    """Which versions hold."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The states, as people call them."""
        return [
            ("now", "Holds today"),
            ("later", "Holds later"),
            ("past", "Held until a day gone by"),
            ("replaced", "Corrected, holds on no day"),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PriceListEntry]
    ) -> QuerySet[PriceListEntry]:
        """The versions in the chosen state today."""
        today = clock.now().date()
        open_ended = Q(valid_until__isnull=True)
        states = {
            "now": Q(valid_from__lte=today) & (open_ended | Q(valid_until__gt=today)),
            "later": Q(valid_from__gt=today) & (open_ended | Q(valid_until__gt=F("valid_from"))),
            "past": Q(valid_until__lte=today, valid_until__gt=F("valid_from")),
            "replaced": Q(valid_until__lte=F("valid_from")),
        }
        return queryset.filter(states.get(self.value() or "", Q()))


@admin.register(PriceListEntry)
class PriceListEntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """Prices, list and contract, with every version that there was."""

    form = PriceForm
    list_display = (
        "meter_shown",
        "scope",
        "price_shown",
        "valid_from",
        "until",
        "made_by",
        "reason",
    )
    list_display_links = ("meter_shown",)
    list_filter = (StateFilter, "provider")
    list_select_related = ("changed_by",)
    search_fields = ("meter", "account", "note", "reason", "source")
    actions = None
    fieldsets = (
        (
            None,
            {"fields": ("meter", "meter_shown", "account", "valid_from", "valid_until", "reason")},
        ),
        (
            "Price",
            {
                "fields": (
                    "currency",
                    "unit",
                    "unit_size",
                    "unit_price",
                    "included_quantity",
                    "tiers",
                    "rounding",
                    "monthly_fee",
                    "minimum_charge",
                )
            },
        ),
        ("Where it stands", {"fields": ("source", "source_read_on", "note")}),
        ("History", {"fields": ("versions",)}),
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: PriceListEntry | None = None
    ) -> tuple[str, ...]:
        """What it is the price of is chosen once: another meter or account is another entry."""
        return ("meter", "meter_shown", "account", "versions") if obj else ("versions",)

    def get_fieldsets(self, request: HttpRequest, obj: PriceListEntry | None = None) -> Any:
        """A meter is chosen by its id, and named by its title from then on."""
        name, first = self.fieldsets[0]
        hidden = "meter" if obj else "meter_shown"
        fields = tuple(field for field in first["fields"] if field != hidden)
        return ((name, {"fields": fields}), *self.fieldsets[1:])

    @admin.display(description="Meter", ordering="meter")
    def meter_shown(self, entry: PriceListEntry) -> str:
        """Provider and name of the meter."""
        known = METERS.get(entry.meter)
        return f"{entry.provider}: {known.title if known else entry.meter}"

    @admin.display(description="For", ordering="account")
    def scope(self, entry: PriceListEntry) -> str:
        """Whom it is for."""
        return entry.account or "everyone"

    @admin.display(description="Price", ordering="unit_price")
    def price_shown(self, entry: PriceListEntry) -> str:
        """In one line, with its unit and currency."""
        return price_text(price_of(entry))

    @admin.display(description="Valid until", ordering="valid_until")
    def until(self, entry: PriceListEntry) -> str:
        """The day on which it ends, or what became of it."""
        if entry.is_replaced:
            return "corrected"
        return "further notice" if entry.valid_until is None else str(entry.valid_until)

    @admin.display(description="Made by", ordering="changed_by__username")
    def made_by(self, entry: PriceListEntry) -> str:
        """Who made the version."""
        return str(entry.changed_by or ("the product" if entry.seeded else "unknown"))

    @admin.display(description="Versions")
    def versions(self, entry: PriceListEntry | None) -> SafeString | str:
        """Every version of this meter and account, newest first: what, when, who and why."""
        if entry is None or entry.pk is None:
            return "None yet: this will be the first."
        return format_html_join(
            "",
            '<p><a href="{}">Version {}</a>, {}<br>{}<br>Made {} by {}: {}</p>',
            [self._version_parts(version) for version in versions_of(entry)],
        )

    def _version_parts(self, version: PriceListEntry) -> tuple[str, ...]:
        days = f"{version.valid_from} to {self.until(version)}"
        if version.is_replaced:
            days = f"corrected, holds on no day; was from {version.valid_from}"
        if version.stated_until not in (None, version.valid_until):
            days += f", written to end on {version.stated_until}"
        return (
            reverse("admin:ingestion_pricelistentry_change", args=[version.pk]),
            f"{version.pk}",
            days,
            self.price_shown(version),
            f"{version.changed_at:%Y-%m-%d %H:%M} UTC",
            self.made_by(version),
            version.reason,
        )

    def save_model(
        self,
        request: HttpRequest,
        obj: PriceListEntry,
        form: ModelForm[PriceListEntry],
        change: bool,
    ) -> None:
        """Write a new version; the page goes on with that one, and the old one's history says so."""
        by = request.user if isinstance(request.user, User) else None
        price, reason = form.price, str(form.cleaned_data["reason"])  # type: ignore[attr-defined]  # a PriceForm
        if change:
            version = change_price(entry_id=obj.pk, price=price, reason=reason, by=by)
            old = PriceListEntry.objects.get(pk=obj.pk)
            self.log_change(request, old, f"Replaced by version {version.pk}: {version.reason}")
        else:
            version = add_price(price=price, reason=reason, by=by)
        obj.pk = version.pk
        obj.refresh_from_db()

    def has_change_permission(
        self, request: HttpRequest, obj: PriceListEntry | None = None
    ) -> bool:
        """Not of a version that a correction replaced: it is there to be read."""
        if obj is not None and obj.is_replaced:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: PriceListEntry | None = None
    ) -> bool:
        """Never: figures of the past hang on it. A price ends with its last day."""
        return False


def _meters_by_provider() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Choices of meters with what each counts, grouped by provider."""
    for provider in sorted({meter.provider for meter in METERS.values()}):
        yield (
            provider,
            [
                (meter.id, f"{meter.title} ({meter.quantity_unit})")
                for meter in METERS.values()
                if meter.provider == provider
            ],
        )

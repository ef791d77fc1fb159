"""Admin of time stamps: contracts as versions with a reason, and how many assets each tenant keeps."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.forms import CharField, ModelForm, Textarea
from django.http import HttpRequest

from finops import clock
from finops.models import User
from ingestion.core.price_rules import parse_tiers
from ingestion.core.pricing import PriceError
from ingestion.core.tsa_contract import Contract
from ingestion.tsa_contracts import ContractRefusedError, check_contract, write_contract
from ingestion.tsa_models import TenantAssets, TsaContract

_MINE = (
    "name",
    "service_provider_name",
    "account",
    "currency",
    "valid_from",
    "valid_until",
    "commitment",
    "fee",
    "overage_price",
)


class ContractForm(ModelForm):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """A contract as it will hold, and why; says at once what cannot be."""

    contract: Contract

    reason = CharField(
        max_length=500,
        widget=Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
        help_text="Why this version is made: a new contract, an amendment, a mistake.",
    )

    class Meta:
        model = TsaContract
        fields = (*_MINE, "tiers", "reason")
        widgets = {"tiers": Textarea(attrs={"rows": 4, "class": "vLargeTextField"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.initial["reason"] = ""  # a change says anew why

    def clean(self) -> dict[str, Any]:
        """Ask whether the contract can be."""
        found = super().clean() or {}
        if self.errors:
            return found
        try:
            tiers = parse_tiers(str(found["tiers"]))
        except PriceError as error:
            self.add_error("tiers", str(error))
            return found
        self.contract = Contract(**{name: found[name] for name in _MINE}, tiers=tiers)
        stored = TsaContract.objects.filter(pk=self.instance.pk).first()
        try:
            check_contract(contract=self.contract, reason=str(found["reason"]), changed=stored)
        except ContractRefusedError as error:
            for field, sentence in error.problems:
                self.add_error(field if field in self.fields else None, sentence)
        return found


@admin.register(TsaContract)
class TsaContractAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """Contracts with TSAs, with every version that there was."""

    form = ContractForm
    list_display = ("name", "scope", "valid_from", "valid_until", "commitment", "state", "reason")
    list_filter = ("is_current",)
    list_select_related = ("changed_by",)
    search_fields = ("name", "account", "reason")
    actions = None

    @admin.display(description="For", ordering="account")
    def scope(self, contract: TsaContract) -> str:
        """Whose tokens it covers."""
        return contract.account or "every account"

    @admin.display(description="State", ordering="is_current")
    def state(self, contract: TsaContract) -> str:
        """Whether the version holds."""
        return "holds" if contract.is_current else "replaced"

    def save_model(
        self,
        request: HttpRequest,
        obj: TsaContract,
        form: ModelForm[TsaContract],
        change: bool,
    ) -> None:
        """Write a new version; the page goes on with that one, and the old one's history says so."""
        by = request.user if isinstance(request.user, User) else None
        version = write_contract(
            contract=form.contract,  # type: ignore[attr-defined]  # a ContractForm
            reason=str(form.cleaned_data["reason"]),
            by=by,
            changed_id=obj.pk if change else None,
        )
        if change:
            old = TsaContract.objects.get(pk=obj.pk)
            self.log_change(request, old, f"Replaced by version {version.pk}: {version.reason}")
        obj.pk = version.pk
        obj.refresh_from_db()

    def has_change_permission(self, request: HttpRequest, obj: TsaContract | None = None) -> bool:
        """Not of a version that was replaced: it is there to be read."""
        if obj is not None and not obj.is_current:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: TsaContract | None = None) -> bool:
        """Never: figures of the past hang on it. A contract ends with its last day."""
        return False


@admin.register(TenantAssets)
class TenantAssetsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """How many assets each tenant keeps, from which day on."""

    list_display = ("tenant", "day", "assets", "changed_at")
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name")
    date_hierarchy = "day"

    def save_model(
        self,
        request: HttpRequest,
        obj: TenantAssets,
        form: ModelForm[TenantAssets],
        change: bool,
    ) -> None:
        """Keep when it was said."""
        obj.changed_at = clock.now()
        super().save_model(request, obj, form, change)

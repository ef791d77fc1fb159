"""Contracts with a TSA: writes that keep every version, and the contract as a price of the price list."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.db.models import Sum

from finops import clock
from finops.core.periods import month_start
from finops.models import User
from ingestion.core.price_rules import parse_tiers, tiers_text
from ingestion.core.pricing import Price
from ingestion.core.tsa_contract import (
    Contract,
    month_price,
    overlapping_contract,
    problems_of_contract,
)
from ingestion.tsa_models import TsaContract, TsaDay, TsaLedger

_FIELDS = (
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


class ContractRefusedError(ValueError):
    """A contract that cannot be; ``problems`` holds field (as in ``Contract``) and sentence."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__(" ".join(sentence for _field, sentence in problems))


def contract_of(row: TsaContract) -> Contract:
    """The row in pure form."""
    return Contract(
        **{name: getattr(row, name) for name in _FIELDS},
        tiers=parse_tiers(row.tiers),
        version=row.pk or 0,
    )


def current_contracts() -> list[Contract]:
    """Every contract that holds, by account and first day."""
    rows = TsaContract.objects.filter(is_current=True).order_by("account", "valid_from", "id")
    return [contract_of(row) for row in rows]


def check_contract(*, contract: Contract, reason: str, changed: TsaContract | None = None) -> None:
    """Raise ``ContractRefusedError`` where ``contract`` cannot be, alone or as a new version of ``changed``."""
    problems = problems_of_contract(contract)
    if not reason.strip():
        problems.append(("reason", "Say why: the reason stays with the version."))
    if changed is not None and not changed.is_current:
        problems.append(("name", "This version was replaced: change the one that replaced it."))
    others = [one for one in current_contracts() if changed is None or one.version != changed.pk]
    in_the_way = overlapping_contract(contract, others)
    if in_the_way is not None:
        whom = f"account {in_the_way.account}" if in_the_way.account else "every account"
        problems.append(
            (
                "valid_from",
                f"The contract “{in_the_way.name}” covers {whom} from {in_the_way.valid_from} until "
                f"{in_the_way.valid_until}: change that one, or choose months without one.",
            )
        )
    if problems:
        raise ContractRefusedError(problems)


def write_contract(
    *, contract: Contract, reason: str, by: User | None, changed_id: int | None = None
) -> TsaContract:
    """A new contract, or a new version of the one with ``changed_id``. Raises ``ContractRefusedError``."""
    with transaction.atomic():
        TsaLedger.objects.get_or_create(pk=1)
        TsaLedger.objects.select_for_update().get(pk=1)  # two writers would not see each other
        changed = TsaContract.objects.get(pk=changed_id) if changed_id is not None else None
        check_contract(contract=contract, reason=reason, changed=changed)
        if changed is not None:
            changed.is_current = False
            changed.save(update_fields=["is_current"])
        return TsaContract.objects.create(
            **{name: getattr(contract, name) for name in _FIELDS},
            tiers=tiers_text(contract.tiers),
            reason=reason.strip(),
            replaces=changed,
            changed_by=by,
            changed_at=clock.now(),
        )


def covering(contracts: list[Contract], account: str, day: date) -> Contract | None:
    """The contract that covers ``account`` on ``day``: its own, else the one for all."""
    holding = {one.account: one for one in contracts if one.holds_on(day)}
    return holding.get(account) or holding.get("")


def tokens_of(contract: Contract, contracts: list[Contract], *, start: date, end: date) -> int:
    """Tokens from ``start`` until before ``end`` that ``contract`` covers."""
    rows = TsaDay.objects.filter(day__gte=start, day__lt=end)
    if contract.account:
        rows = rows.filter(account=contract.account)
        return int(rows.aggregate(total=Sum("tokens"))["total"] or 0)
    others = [one for one in contracts if one.account]
    if not others:
        return int(rows.aggregate(total=Sum("tokens"))["total"] or 0)
    days = rows.order_by().values_list("day", "account").annotate(total=Sum("tokens"))
    return sum(
        int(total) for day, account, total in days if covering(contracts, account, day) == contract
    )


def contract_price(account: str, day: date) -> Price | None:
    """The price of ``tsa_tokens`` in the month of ``day`` by the contract of ``account``; ``None`` without one.

    The empty account is all that have no contract of their own.
    """
    contracts = current_contracts()
    contract = next((c for c in contracts if c.account == account and c.holds_on(day)), None)
    if contract is None:
        return None
    month = month_start(day)
    before = tokens_of(contract, contracts, start=contract.valid_from, end=month)
    return month_price(contract, month, before)

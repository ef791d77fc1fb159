"""Reconciliation by provider and month: what the bill is made of, what became of it, who else tells it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import ZERO, exact_sum

if TYPE_CHECKING:
    from allocation.core.reconcile import ProviderMonth, Witness

_AMOUNTS = (
    ("source_total", "Source total", "Sum over the rows as the sources wrote them"),
    ("rejected", "Rejected", "Sum of the readable amounts among rows put aside"),
    ("allocated", "Allocated", "Ledger rows that a tenant bears"),
    ("unallocated", "Unallocated", "Ledger rows that no tenant bears yet"),
)


def sentence(bills: Sequence[ProviderMonth]) -> str:
    """Whether every cent is accounted for, and whose is not."""
    if not bills:
        return "No billing period is loaded yet, so there is nothing to reconcile."
    bills = [bill for bill in bills if bill.sources]
    if not bills:
        return "No bill has come yet: what is known is estimated."
    apart = [bill for bill in bills if not bill.is_explained]
    if apart:
        named = [
            f"{bill.key.provider} {bill.key.billing_period:%Y-%m} by "
            f"{numbers.exact_money(bill.unexplained or bill.unnamed)} {bill.key.currency}"
            for bill in apart
        ]
        return f"{len(apart)} of {numbers.counted(len(bills), 'bill')} differ: {numbers.listed(named)}."
    providers = len({bill.key.provider for bill in bills})
    text = (
        f"Every cent is accounted for: {numbers.counted(len(bills), 'bill')} of "
        f"{numbers.counted(providers, 'provider')}, "
        f"{numbers.counted(sum(bill.lines for bill in bills), 'charge line')}"
    )
    for currency in sorted({bill.key.currency for bill in bills}):
        mine = [bill for bill in bills if bill.key.currency == currency]
        text += f", {numbers.exact_money(exact_sum(bill.total('source_total') for bill in mine))} {currency}"
    rejected = sum(bill.rejected_lines for bill in bills)
    if rejected:
        text += f"; {numbers.counted(rejected, 'row was', 'rows were')} put aside with a reason"
    return f"{text}."


def identity_table(bills: Sequence[ProviderMonth]) -> Table:
    """Source total = rejected + allocated + unallocated + residuals; the rest is unexplained."""
    residuals = _names(bill.residuals for bill in bills)
    beside = _names(bill.beside for bill in bills)
    columns = [
        *_about(),
        *(Column(key, label, Kind.EXACT, title=title) for key, label, title in _AMOUNTS),
        *(
            Column(f"residual-{index}", f"Residual: {name}", Kind.EXACT)
            for index, name in enumerate(residuals)
        ),
        Column("unexplained", "Unexplained", Kind.EXACT, title="What none of them explains"),
        *(
            Column(
                f"beside-{index}",
                f"Beside: {name}",
                Kind.EXACT,
                title="Stands beside the bill, and is in no sum of this row",
            )
            for index, name in enumerate(beside)
        ),
    ]
    rows = [
        Row(
            (
                *_cells_about(bill),
                *(Cell(bill.total(key)) for key, _, _ in _AMOUNTS),
                *(Cell(bill.residuals.get(name, ZERO)) for name in residuals),
                _unexplained(bill),
                *(Cell(bill.beside.get(name, ZERO)) for name in beside),
            )
        )
        for bill in bills
    ]
    return Table(
        "reconciliation",
        "Reconciliation by provider, on billed cost",
        columns,
        rows,
        empty="No billing period is loaded yet.",
    )


def parts_table(bills: Sequence[ProviderMonth]) -> Table:
    """What the ingested cost is made of; the parts add up to it."""
    bills = [bill for bill in bills if bill.sources]
    names = _names(bill.parts for bill in bills)
    return Table(
        "parts",
        "Parts of each bill",
        [
            *_about(),
            Column("ingested", "Ingested", Kind.EXACT, title="Sum of the charge lines in the lake"),
            *(
                Column(f"part-{index}", f"{name[:1].upper()}{name[1:]}", Kind.EXACT)
                for index, name in enumerate(names)
            ),
        ],
        [
            Row(
                (
                    *_cells_about(bill),
                    Cell(bill.total("ingested")),
                    *(Cell(bill.parts.get(name, ZERO)) for name in names),
                )
            )
            for bill in bills
        ],
    )


def evidence_table(bills: Sequence[ProviderMonth]) -> Table:
    """Each bill's total as others tell it, and how far ingested cost is from that."""
    return Table(
        "evidence",
        "Other evidence of each bill",
        [
            *_about(),
            Column("evidence", "Told by"),
            Column("told", "Total", Kind.EXACT),
            Column("difference", "Ingested − told", Kind.EXACT),
            Column("about", "About"),
        ],
        [Row((*_cells_about(bill), *_witness(one))) for bill in bills for one in bill.witnesses],
        empty="Nothing tells a total of these bills but the bills themselves.",
    )


def _witness(one: Witness) -> tuple[Cell, ...]:
    if one.amount is None:
        none = "It tells no amount"
        return (Cell(one.title), Cell(reason=none), Cell(reason=none), Cell(one.sentence))
    return (
        Cell(one.title),
        Cell(one.amount),
        Cell(one.difference, tone="warning" if one.difference else ""),
        Cell(one.sentence),
    )


def _about() -> list[Column]:
    return [
        Column("provider", "Provider"),
        Column("period", "Period"),
        Column("currency", "Currency"),
    ]


def _cells_about(bill: ProviderMonth) -> tuple[Cell, ...]:
    key = bill.key
    note = "" if bill.sources else "no bill yet"
    return (Cell(key.provider, note=note), Cell(f"{key.billing_period:%Y-%m}"), Cell(key.currency))


def _unexplained(bill: ProviderMonth) -> Cell:
    if bill.is_explained:
        return Cell(ZERO)
    return Cell(bill.unexplained or bill.unnamed, tone="danger", note="differs")


def _names(found: Iterable[Mapping[str, Decimal]]) -> list[str]:
    return list(dict.fromkeys(name for one in found for name in one))

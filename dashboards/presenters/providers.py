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
    ("allocated", "Allocated", "Ledger rows that a tenant bears"),
    ("unallocated", "Unallocated", "Ledger rows that no tenant bears yet"),
    ("rejected", "Rejected", "Sum of the readable amounts among rows put aside"),
)


def sentence(bills: Sequence[ProviderMonth], *, anything_loaded: bool) -> str:
    """Whether every cent is accounted for, and whose is not; ``bills`` are those of the page's period."""
    if not bills:
        return (
            "No bill of this period has come, and nothing is estimated of it."
            if anything_loaded
            else "No billing period is loaded yet, so there is nothing to reconcile."
        )
    waiting = [bill for bill in bills if not bill.has_bill]
    bills = [bill for bill in bills if bill.has_bill]
    if not bills:
        return f"No bill has come yet: {_without_bill(waiting)}."
    apart = [bill for bill in bills if not bill.is_explained]
    if apart:
        named = [
            f"{bill.key.provider} {bill.key.billing_period:%Y-%m} by "
            f"{numbers.exact_money(bill.gaps[0].amount)} {bill.key.currency}"
            for bill in apart
        ]
        verb = "differs" if len(apart) == 1 else "differ"
        return f"{len(apart)} of {numbers.counted(len(bills), 'bill')} {verb}: {numbers.listed(named)}."
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
    if waiting:
        text += f". Without a bill yet: {_without_bill(waiting)}"
    return f"{text}."


def _without_bill(waiting: Sequence[ProviderMonth]) -> str:
    """Whose bill has not come, and what is known of it."""
    named = [
        f"{bill.key.provider} {bill.key.billing_period:%Y-%m}, "
        + ", ".join(
            f"{numbers.exact_money(amount)} {_in_currency(name, bill)}"
            for name, amount in bill.beside.items()
            if amount
        )
        for bill in waiting
    ]
    return "; ".join([*named[:3], *([f"and {len(named) - 3} more"] if len(named) > 3 else [])])


def _in_currency(name: str, bill: ProviderMonth) -> str:
    return name if " in " in name else f"{bill.key.currency} {name}"


def identity_table(bills: Sequence[ProviderMonth]) -> Table:
    """Source total = allocated + unallocated + rejected + residuals; the rest is unexplained."""
    bills = [bill for bill in bills if bill.has_bill]
    residuals = _names(bill.residuals for bill in bills)
    columns = [
        _about(),
        Column("unexplained", "Unexplained", Kind.EXACT, title="What nothing explains"),
        *(Column(key, label, Kind.EXACT, title=title) for key, label, title in _AMOUNTS),
        *(
            Column(f"residual-{index}", _capital(name), Kind.EXACT, title="A named residual")
            for index, name in enumerate(residuals)
        ),
    ]
    rows = [
        Row(
            (
                _bill(bill),
                _unexplained(bill),
                *(Cell(bill.total(key)) for key, _, _ in _AMOUNTS),
                *(Cell(bill.residuals.get(name, ZERO)) for name in residuals),
            )
        )
        for bill in bills
    ]
    return Table(
        "reconciliation",
        "Reconciliation by provider, on billed cost",
        columns,
        rows,
        empty="No bill of this period has come yet.",
    )


def gaps_table(bills: Sequence[ProviderMonth]) -> Table:
    """Every amount that nothing explains, with the two totals that differ by it."""
    return Table(
        "gaps",
        "Amounts that nothing explains",
        [_about(), Column("amount", "Differ by", Kind.EXACT), Column("what", "What differs")],
        [
            Row((_bill(bill), Cell(gap.amount, tone="danger"), Cell(_capital(gap.what))))
            for bill in bills
            for gap in bill.gaps
        ],
    )


def beside_table(bills: Sequence[ProviderMonth]) -> Table:
    """What figures have beyond the bills, or bills had late; in no sum."""
    return Table(
        "beside",
        "Not in the sums",
        [_about(), Column("amount", "Amount", Kind.EXACT), Column("what", "What it is")],
        [
            Row((_bill(bill), Cell(amount), Cell(_WHAT.get(name, _capital(name)))))
            for bill in bills
            for name, amount in bill.beside.items()
            if amount
        ],
        empty="Nothing is estimated beyond the bills, came late, or was paid at a rate of its own.",
    )


_WHAT = {
    "estimated beyond the bill": "Not in the bill: estimated beyond it",
    "came late": "Came late: in the bill already, changed after its month was over",
}


def parts_table(bills: Sequence[ProviderMonth]) -> Table:
    """What the ingested cost is made of; the parts add up to it."""
    bills = [bill for bill in bills if bill.sources]
    names = _names(bill.parts for bill in bills)
    return Table(
        "parts",
        "Kinds of charges of each bill",
        [
            _about(),
            Column("ingested", "Ingested", Kind.EXACT, title="Sum of the charge lines in the lake"),
            *(
                Column(f"part-{index}", _capital(name), Kind.EXACT)
                for index, name in enumerate(names)
            ),
        ],
        [
            Row(
                (
                    _bill(bill),
                    Cell(bill.total("ingested")),
                    *(Cell(bill.parts.get(name, ZERO)) for name in names),
                )
            )
            for bill in bills
        ],
        empty="No bill of this period has come yet.",
    )


def evidence_table(bills: Sequence[ProviderMonth]) -> Table:
    """Each bill's total from other evidence, and how far ingested cost is from it."""
    return Table(
        "evidence",
        "Totals of the same bills from files, invoices and APIs",
        [
            _about(),
            Column("difference", "Ingested − told", Kind.EXACT),
            Column("told", "Total", Kind.EXACT),
            Column("evidence", "Told by"),
            Column("about", "About"),
        ],
        [Row((_bill(bill), *_witness(one))) for bill in bills for one in bill.witnesses],
        empty="Nothing tells a total of these bills but the bills themselves.",
    )


def meters_table(bills: Sequence[ProviderMonth]) -> Table:
    """What bills say of metered usage, against what was estimated of the same days before they came."""
    return Table(
        "meters",
        "Bill against estimate, by meter",
        [
            _about(),
            Column("meter", "Meter"),
            Column("difference", "Billed − estimated", Kind.MONEY),
            Column("billed", "Billed", Kind.MONEY),
            Column("estimated", "Estimated", Kind.MONEY),
            Column("days", "Days", Kind.NUMBER, title="Days that both know whole"),
        ],
        [
            Row(
                (
                    _bill(bill),
                    Cell(one.title),
                    Cell(one.difference, plus=True),
                    Cell(one.billed),
                    Cell(one.estimated),
                    Cell(one.days),
                )
            )
            for bill in bills
            for one in bill.meters
        ],
        empty="No estimate has met its bill in this period.",
    )


def _witness(one: Witness) -> tuple[Cell, ...]:
    about = (Cell(_capital(one.title)), Cell(one.sentence))
    if one.amount is None:
        none = "It tells no amount"
        return (Cell(reason=none), Cell(reason=none), *about)
    tone = ("danger" if one.must_agree else "warning") if one.difference else ""
    return (Cell(one.difference, tone=tone), Cell(one.amount), *about)  # type: ignore[arg-type]  # one of Tone


def _about() -> Column:
    return Column("bill", "Bill")


def _bill(bill: ProviderMonth) -> Cell:
    key = bill.key
    note = f"{key.billing_period:%b %Y}, {key.currency}"
    return Cell(key.provider, note=note if bill.has_bill else f"{note}, no bill yet")


def _unexplained(bill: ProviderMonth) -> Cell:
    if bill.is_explained:
        return Cell(ZERO)
    return Cell(bill.gaps[0].amount, tone="danger", note="differs")


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _names(found: Iterable[Mapping[str, Decimal]]) -> list[str]:
    return list(dict.fromkeys(name for one in found for name in one))

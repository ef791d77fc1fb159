"""What newer deliveries changed of days gone by, as sentences and tables. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import EXACT, exact_sum

if TYPE_CHECKING:
    from allocation.restatements import Restated


def restated_sentence(row: Restated) -> str:
    """``aws-main 2026-07 was restated by −41.20 USD of effective cost on 8 Aug 2026.``"""
    changes = [
        f"{numbers.money(amount, plus=True)} {currency}"
        for currency, amount in row.change("effective").items()
    ]
    return (
        f"{row.source} {row.billing_period:%Y-%m} was restated by {numbers.listed(changes)} of effective "
        f"cost on {row.made_at.day} {row.made_at:%b %Y}."
    )


def restatements_table(rows: Sequence[Restated], url: Callable[[int], str]) -> Table:
    """One row per restatement and currency, newest first."""
    columns = (
        Column("made", "Made (UTC)", Kind.TIME),
        Column("source", "Source"),
        Column("period", "Billing period"),
        Column("currency", "Currency"),
        Column("billed", "Billed", Kind.MONEY, title="Billed cost now minus before"),
        Column("effective", "Effective", Kind.MONEY, title="Effective cost now minus before"),
        Column("tenants", "Whose cost changed"),
        Column("days", "Days written again", Kind.NUMBER),
        Column("kept", "Days left as they were", Kind.NUMBER),
    )
    lines = []
    for row in rows:
        billed, effective = row.change("billed"), row.change("effective")
        lines += [
            Row(
                (
                    Cell(row.made_at, href=url(row.pk)),
                    Cell(row.source),
                    Cell(f"{row.billing_period:%Y-%m}"),
                    Cell(currency),
                    Cell(billed[currency], plus=True),
                    Cell(effective[currency], plus=True),
                    Cell(numbers.listed(list(row.tenants))),
                    Cell(row.days_rewritten),
                    Cell(row.days_kept),
                )
            )
            for currency in effective
        ]
    return Table(
        "restatements",
        "Deliveries that changed days gone by",
        columns,
        lines,
        empty="No delivery has changed what was known before.",
    )


def restated_table(row: Restated) -> Table:
    """What one restatement did, by tenant and category; before + change = now, in every row."""
    columns = (
        Column("tenant", "Tenant"),
        Column("category", "Service category"),
        Column("currency", "Currency"),
        Column("first", "First day"),
        Column("last", "Last day"),
        Column("days", "Days", Kind.NUMBER),
        *(
            Column(f"{metric}_{name}", f"{metric.capitalize()} {label}", Kind.EXACT)
            for metric in ("billed", "effective")
            for name, label in (("before", "before"), ("after", "now"), ("change", "change"))
        ),
    )
    amounts = [
        (
            line.billing_currency,
            (
                line.billed_before,
                line.billed_after,
                EXACT.subtract(line.billed_after, line.billed_before),
                line.effective_before,
                line.effective_after,
                EXACT.subtract(line.effective_after, line.effective_before),
            ),
        )
        for line in row.lines
    ]
    return Table(
        "restated",
        f"What changed in {row.source} {row.billing_period:%Y-%m}",
        columns,
        [
            Row(
                (
                    Cell(line.tenant),
                    Cell(line.service_category),
                    Cell(line.billing_currency),
                    Cell(f"{line.first_day}"),
                    Cell(f"{line.last_day}"),
                    Cell(line.days),
                    *(Cell(value) for value in values),
                )
            )
            for line, (_, values) in zip(row.lines, amounts, strict=True)
        ],
        [
            Row(
                (
                    Cell("Total"),
                    Cell(""),
                    Cell(currency),
                    Cell(""),
                    Cell(""),
                    Cell("", kind=Kind.TEXT),
                    *(
                        Cell(
                            exact_sum(values[place] for name, values in amounts if name == currency)
                        )
                        for place in range(6)
                    ),
                ),
                "total",
            )
            for currency in sorted({name for name, _ in amounts})
        ],
    )

"""What reading a CUR found, counted by the engine from the charge lines it wrote, exact."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from finops.core.amounts import EXACT, ZERO, exact_sum, parse_amount, plain, to_lake
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_costs as costs
from ingestion.core.delivery import CurrencyTotal, Reject
from ingestion.cur_stage import Aside

if TYPE_CHECKING:
    import duckdb

_BATCH = 50_000


@dataclass
class Tally:
    """Totals and facts of one reading on one cost basis."""

    basis: str
    totals: dict[str, CurrencyTotal] = field(default_factory=lambda: defaultdict(CurrencyTotal))
    rejects: list[Reject] = field(default_factory=list)
    line_types: Counter[str] = field(default_factory=Counter)
    data_through: datetime | None = None
    first_day: date | None = None
    last_day: date | None = None
    billing_accounts: set[str] = field(default_factory=set)
    costed: int = 0
    without_net: int = 0
    with_net: int = 0
    without_invoice: int = 0
    shares: int = 0
    discounted: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    remainders: list[tuple[int, str, Decimal]] = field(default_factory=list)

    def add(self, currency: str, **amounts: Decimal | int) -> None:
        """Add to the control totals of one currency."""
        old = self.totals[currency]
        sums = {
            name: EXACT.add(getattr(old, name), value)
            if isinstance(value, Decimal)
            else getattr(old, name) + value
            for name, value in amounts.items()
        }
        self.totals[currency] = replace(old, **sums)  # type: ignore[arg-type]  # names are checked by replace

    def put_aside(self, rows: Iterable[Aside]) -> None:
        """Rejected rows: their cost still belongs to the source total."""
        for row in rows:
            amount = row.net if self.basis == costs.NET else row.reject.amount
            reject = replace(row.reject, amount=amount)
            self.rejects.append(reject)
            exact = amount or ZERO
            kept = to_lake(exact)
            self.add(
                reject.currency,
                source=kept,
                rejected=kept,
                beyond=EXACT.subtract(exact, kept),
                rejected_lines=1,
            )

    def count(self, engine: duckdb.DuckDBPyConnection, relation: str) -> None:
        """Add the charge lines of ``relation``, one file's."""
        discounts = ", ".join(f"'{name}'" for name in sorted(costs.DISCOUNTS))
        costed = f"x_line_item_type NOT IN ({discounts}) AND unblended <> 0"
        whole = "CASE WHEN x_split_parent = '' THEN"  # a share of another row costs nothing again
        rows = engine.execute(f"""
            SELECT billing_currency, x_line_item_type, count(*), sum(line), sum(unblended), sum(net),
                   count(*) FILTER ({costed}), count(*) FILTER ({costed} AND net IS NULL),
                   count(*) FILTER ({costed} AND net <> 0),
                   count(*) FILTER (line <> 0 AND invoice_id = ''),
                   count(*) FILTER (x_split_parent <> ''),
                   min(charge_period_start), max(charge_period_start),
                   max(charge_period_end) FILTER (granularity <> 'month')
            FROM (SELECT *, {whole} coalesce(x_line_cost, billed_cost) ELSE 0 END AS line,
                         {whole} coalesce(x_unblended_cost, x_line_cost, billed_cost) ELSE 0 END AS unblended,
                         {whole} x_net_unblended_cost END AS net
                  FROM {relation})
            GROUP BY 1, 2
        """).fetchall()
        for currency, kind, lines, line, unblended, net, *counts, first, last, newest in rows:
            self.add(currency, source=line, lines=int(lines))
            self.line_types[kind] += int(lines)
            self.costed += counts[0]
            self.without_net += counts[1]
            self.with_net += counts[2]
            self.without_invoice += counts[3]
            self.shares += counts[4]
            off = EXACT.subtract(net or ZERO, unblended)
            self.discounted[currency] = EXACT.add(self.discounted[currency], off)
            self._see(first, last, newest)
        accounts = engine.execute(f"SELECT DISTINCT billing_account_id FROM {relation}").fetchall()
        self.billing_accounts |= {account for (account,) in accounts if account}
        for (currency,), beyond in beyond_the_lake(engine, relation):
            self.add(currency, beyond=beyond)

    def _see(self, first: datetime, last: datetime, newest: datetime | None) -> None:
        self.first_day = min(self.first_day or first.date(), first.date())
        self.last_day = max(self.last_day or last.date(), last.date())
        if newest is not None:
            moment = newest.replace(tzinfo=UTC)
            self.data_through = max(self.data_through or moment, moment)

    @property
    def rows(self) -> int:
        """Rows seen so far, those that were put aside included."""
        return sum(total.lines + total.rejected_lines for total in self.totals.values())

    @property
    def right_basis(self) -> str:
        """Net where every line that costs something has a net cost and not all of them are 0."""
        is_net = self.costed > 0 and self.without_net == 0 and self.with_net > 0
        return costs.NET if is_net else costs.UNBLENDED

    @property
    def is_invoiced(self) -> bool:
        """Whether there are costs, and each carries an invoice id."""
        return self.costed > 0 and self.without_invoice == 0

    def notes(self, have: frozenset[str]) -> Iterator[str]:
        """Sentences on what was unusual; none of them changes a sum."""
        if self.right_basis == costs.UNBLENDED and self.with_net and self.without_net:
            yield (
                f"{self.without_net} of {self.costed} lines that cost something have no net cost: the "
                "whole delivery counts at unblended cost."
            )
        if self.basis == costs.NET:
            for currency, off in sorted(self.discounted.items()):
                if off:
                    yield (
                        f"Net and unblended cost of all lines differ by {plain(off)} {currency}: "
                        "discounts are in the net columns and not all of them are lines of their own."
                    )
        for hours, currency, rest in self.remainders:
            yield (
                f"In {hours} hours covered usage and its negation of a Savings Plan do not cancel: "
                f"{plain(rest)} {currency} of remainder, as lines of their own."
            )
        yield from costs.missing_for_amortisation(have, self.line_types)
        if self.shares:
            yield (
                f"{self.shares} rows are shares of other rows (split cost allocation): they are kept "
                "and cost nothing again."
            )

    def known_totals(self) -> dict[str, CurrencyTotal]:
        """Rejected rows whose currency could not be read count with the bill's only other currency."""
        guess = self.totals.get(cur.DEFAULT_CURRENCY)
        others = [currency for currency in self.totals if currency != cur.DEFAULT_CURRENCY]
        if guess is None or guess.lines or guess.source or len(others) != 1:
            return dict(self.totals)
        known = self.totals[others[0]]
        if guess.rejected or guess.beyond:
            return dict(self.totals)
        rejected = known.rejected_lines + guess.rejected_lines
        return {others[0]: replace(known, rejected_lines=rejected)}


def beyond_the_lake(
    engine: duckdb.DuckDBPyConnection, relation: str, also_by: Sequence[str] = ()
) -> Iterator[tuple[Any, Decimal]]:
    """The exact sum of what rounding to 18 decimals took from the costs, by currency and the columns ``also_by``."""
    columns = ", ".join(("billing_currency", *also_by))
    cursor = engine.execute(
        f"SELECT trim(x_cost_text), {columns} FROM {relation} "
        "WHERE x_cost_text <> '' AND x_split_parent = ''"
    )
    while rows := cursor.fetchmany(_BATCH):
        lost: dict[tuple[str, ...], list[Decimal]] = defaultdict(list)
        for text, *key in rows:
            exact = parse_amount(text)
            rest = EXACT.subtract(exact, to_lake(exact))
            if rest:
                lost[tuple(key)].append(rest)
        for whose, rests in lost.items():
            yield whose, exact_sum(rests)

"""Control totals of a FOCUS delivery by currency and provider: one file may hold the bills of several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from finops.core.amounts import EXACT, ZERO, to_lake
from ingestion.core.delivery import CurrencyTotal
from ingestion.core.focus_rows import UNKNOWN_CURRENCY
from ingestion.cur_stage import Aside
from ingestion.cur_tally import Tally, beyond_the_lake

if TYPE_CHECKING:
    import duckdb

_Key = tuple[str, str]


@dataclass
class FocusTally(Tally):
    """A tally that also knows whose each amount is."""

    by_provider: dict[_Key, CurrencyTotal] = field(
        default_factory=lambda: defaultdict(CurrencyTotal)
    )

    def put_aside(self, rows: Iterable[Aside]) -> None:
        """Rejected rows: their cost belongs to the source total of whom they name."""
        rows = list(rows)
        super().put_aside(rows)
        for row in rows:
            exact = row.reject.amount or ZERO
            kept = to_lake(exact)
            self._add_to(
                (row.reject.currency, row.reject.provider),
                CurrencyTotal(kept, kept, EXACT.subtract(exact, kept), 0, 1),
            )

    def count(self, engine: duckdb.DuckDBPyConnection, relation: str) -> None:
        """Add the charge lines of ``relation``, one file's."""
        super().count(engine, relation)
        rows = engine.execute(
            "SELECT billing_currency, service_provider_name, CAST(sum(billed_cost) AS DECIMAL(38,18)), count(*) "
            f"FROM {relation} GROUP BY 1, 2"
        ).fetchall()
        for currency, provider, billed, lines in rows:
            self._add_to((currency, provider), CurrencyTotal(source=billed, lines=int(lines)))
        for key, beyond in beyond_the_lake(engine, relation, ("service_provider_name",)):
            self._add_to(key, CurrencyTotal(beyond=beyond))

    def _add_to(self, key: _Key, part: CurrencyTotal) -> None:
        self.by_provider[key] = added(self.by_provider[key], part)


def added(one: CurrencyTotal, other: CurrencyTotal) -> CurrencyTotal:
    """Both together, exact."""
    return CurrencyTotal(
        EXACT.add(one.source, other.source),
        EXACT.add(one.rejected, other.rejected),
        EXACT.add(one.beyond, other.beyond),
        one.lines + other.lines,
        one.rejected_lines + other.rejected_lines,
    )


def folded(totals: Mapping[_Key, CurrencyTotal]) -> dict[_Key, CurrencyTotal]:
    """Rejected rows that name no provider or currency count with the bill's only one of it.

    Where there are several, nobody knows whose they are: they stay apart.
    """
    currencies = {currency for currency, _ in totals} - {UNKNOWN_CURRENCY}
    providers = {provider for _, provider in totals} - {""}
    found: dict[_Key, CurrencyTotal] = defaultdict(CurrencyTotal)
    for (currency, provider), total in totals.items():
        key = (
            next(iter(currencies))
            if currency == UNKNOWN_CURRENCY and len(currencies) == 1
            else currency,
            next(iter(providers))
            if not provider and len(providers) == 1 and not total.lines
            else provider,
        )
        found[key] = added(found[key], total)
    return dict(found)


def by_currency(totals: Mapping[_Key, CurrencyTotal]) -> dict[str, CurrencyTotal]:
    """The same, whoever's they are."""
    found: dict[str, CurrencyTotal] = defaultdict(CurrencyTotal)
    for (currency, _), total in totals.items():
        found[currency] = added(found[currency], total)
    return dict(found)

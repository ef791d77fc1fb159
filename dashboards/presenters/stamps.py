"""Time stamps of a month: the sentence, the contracts, the tenants. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.tables import Cell, Column, Kind, Row, Table, rounding_left
from finops.core.amounts import exact_sum
from ingestion.core.tsa import FAILURES

if TYPE_CHECKING:
    from ingestion.core.forecast import Projection
    from ingestion.tsa_selectors import ContractMonth, StampMonth, TenantStamps

_NO_ASSETS = "nobody said how many assets it keeps"
_NO_CONTRACT = "no contract covers its tokens"
_SHORT = "a projection needs two weeks of tokens"
_NO_RANGE = "the past is too short for a range"
_NOBODY = "Nobody's"
_RATE_PLACES = 6


def decimal(value: Fraction, places: int) -> Decimal:
    """At so many decimals, half to even."""
    return Decimal(round(value * 10**places)).scaleb(-places)


def month_name(month: date) -> str:
    """``April 2026``."""
    return f"{month:%B %Y}"


def sentence(found: StampMonth, *, is_open: bool) -> str:
    """How far the contracts are used, and what the month will end with against the commitment."""
    if not found.tokens and not found.contracts:
        return f"No time-stamp token is known for {month_name(found.month)}."
    return " ".join([*(_used(one) for one in found.contracts), _ends(found, is_open=is_open)])


def rejections_sentence(found: StampMonth) -> str:
    """Why responses were rejected, the most frequent reason first; empty where none was."""
    total = sum(one.rejections for one in found.tenants)
    if not total:
        return ""
    said = [
        f"{numbers.grouped(count)} {name} ({words})"
        for failure, count in found.failures.items()
        for name, words in [FAILURES.get(failure, (f"bit {failure}", "RFC 3161 does not name it"))]
    ]
    untold = total - sum(found.failures.values())
    if untold > 0:
        said.append(f"{numbers.grouped(untold)} without a reason that is known")
    return f"{numbers.counted(total, 'request')} rejected: {', '.join(said)}."


def _used(one: ContractMonth) -> str:
    use = one.utilisation
    said = numbers.counted(use.tokens, "token")
    since = f"{one.contract.name}: {said} since {_day(one.contract.valid_from)}"
    if use.share is None:
        return f"{since}; there is no commitment to compare with."
    share = decimal(use.share, 6)
    verdict = "more than" if share > 1 else "less than" if share < 1 else "exactly"
    return (
        f"{since} are {numbers.percent(share)} of the commitment prorated to now, "
        f"{verdict} what is paid for."
    )


def _ends(found: StampMonth, *, is_open: bool) -> str:
    month, tokens = month_name(found.month), numbers.counted(found.tokens, "token")
    if not is_open:
        return f"{month} had {tokens}{_against(found, found.tokens)}."
    projection = found.projection
    if projection is None:
        return f"{month} has {tokens} so far; {_SHORT}."
    text = (
        f"{month} has {tokens} so far and will end with about {numbers.grouped(projection.point)}"
    )
    if projection.low is not None and projection.high is not None:
        low, high = numbers.grouped(projection.low), numbers.grouped(projection.high)
        text += f", four times out of five between {low} and {high}"
    return f"{text}{_against(found, projection.point)}."


def _against(found: StampMonth, tokens: int) -> str:
    if len(found.contracts) != 1 or not found.contracts[0].expected:
        return ""
    part = round(found.contracts[0].expected)
    word = "above" if tokens > part else "below" if tokens < part else "exactly at"
    return f", {word} the {numbers.grouped(part)} that are the month's part of the commitment"


def tested(projection: Projection | None) -> str:
    """What the back-test says of the projection; empty where nothing is projected."""
    if projection is None or not projection.back_test.origins:
        return ""
    test = projection.back_test
    error = "is not known" if test.mape is None else f"was {_percent(test.mape)} on average (MAPE)"
    return (
        f"The same forecast, made from {numbers.counted(test.origins, 'earlier day')} over "
        f"{numbers.counted(test.days, 'day')} each and seeing only what was known then: its error {error}."
    )


def _percent(share: float) -> str:
    return numbers.percent(Decimal(repr(share)))


def saving_note(found: StampMonth) -> str:
    """What one token less is worth, contract by contract."""
    parts = []
    for one in found.contracts:
        if one.saving:
            worth = f"{decimal(one.saving, _RATE_PLACES).normalize():f} {one.contract.currency}"
            parts.append(f"{one.contract.name}: one token saved is worth {worth}.")
        else:
            parts.append(
                f"{one.contract.name}: one token saved is worth nothing while the commitment lasts."
            )
    return " ".join(parts)


def contracts_table(found: StampMonth) -> Table:
    """One row for each contract of the month."""
    columns = (
        Column("contract", "Contract"),
        Column("cost", "Cost", Kind.MONEY),
        Column("currency", "Currency"),
        Column("tokens", "Tokens so far", Kind.NUMBER, title="In the contract's time"),
        Column("expected", "Prorated commitment", Kind.NUMBER),
        Column("utilisation", "Utilisation", Kind.PERCENT),
        Column("used", "Of all", Kind.PERCENT, title="Of the whole commitment"),
        Column("month", "This month", Kind.NUMBER),
        Column("projected", "Projected", Kind.NUMBER),
        Column("low", "Low", Kind.NUMBER, title="Nine times out of ten it is more"),
        Column("high", "High", Kind.NUMBER, title="Nine times out of ten it is less"),
        Column("rate", "Average a token", Kind.EXACT),
        Column("saving", "One saved", Kind.EXACT, title="At the marginal rate"),
    )
    return Table(
        "contracts",
        "Contracts and how far they are used",
        columns,
        [Row(_contract_cells(one)) for one in found.contracts],
        empty="No contract covers this month. An admin adds one under TSA contracts.",
    )


def _contract_cells(one: ContractMonth) -> tuple[Cell, ...]:
    contract, use, projection = one.contract, one.utilisation, one.projection
    whom = contract.account or "every account"
    days = f"{whom}, {contract.valid_from} to {contract.valid_until - timedelta(days=1)}"
    nothing = "there is no commitment to compare with"
    low = projection.low if projection else None
    high = projection.high if projection else None
    reason = _NO_RANGE if projection else _SHORT
    return (
        Cell(contract.name, note=days),
        Cell(one.cost),
        Cell(contract.currency),
        Cell(use.tokens),
        Cell(decimal(use.expected, 0)),
        Cell(None if use.share is None else decimal(use.share, 6), reason=nothing),
        Cell(None if use.used is None else decimal(use.used, 6), reason=nothing),
        Cell(one.tokens),
        Cell(projection.point if projection else None, reason=_SHORT),
        Cell(low, reason=reason),
        Cell(high, reason=reason),
        Cell(
            None if one.rate is None else decimal(one.rate, _RATE_PLACES),
            reason="there is no token yet",
        ),
        Cell(decimal(one.saving, _RATE_PLACES)),
    )


def tenants_table(found: StampMonth, links: Mapping[str, str]) -> Table:
    """One row for each tenant, its cost at the average rate; rounding and the total stand beneath."""
    money = [
        Column(f"cost-{currency}", "Cost", Kind.MONEY, currency) for currency in found.currencies
    ]
    columns = (
        Column("tenant", "Tenant"),
        Column("tokens", "Tokens", Kind.NUMBER),
        *money,
        Column("assets", "Assets", Kind.NUMBER),
        Column("per_assets", "Per 1,000 assets", Kind.EXACT, title="Tokens per 1,000 assets"),
        Column("duplicates", "Duplicates", Kind.NUMBER, title="Tokens for a digest that had one"),
        Column("rejections", "Rejections", Kind.NUMBER, title="Responses without a token"),
    )
    rows = [Row(_tenant_cells(one, found.currencies, links), key=one.slug) for one in found.tenants]
    return Table(
        "time-stamps",
        "Time stamps by tenant",
        columns,
        rows,
        totals=_totals(found) if rows else (),
        empty="No response of a TSA was counted in this month.",
    )


def _tenant_cells(
    one: TenantStamps, currencies: tuple[str, ...], links: Mapping[str, str]
) -> tuple[Cell, ...]:
    per = one.per_1000_assets
    name = Cell(one.name, href=links.get(one.slug, "")) if one.slug else Cell(_NOBODY)
    reason = "there is nobody who keeps assets" if not one.slug else _NO_ASSETS
    partly = f"{numbers.grouped(one.uncovered)} tokens in no contract" if one.uncovered else ""
    return (
        name,
        Cell(one.tokens, note=partly if one.costs else ""),
        *(
            Cell(one.costs.get(currency), reason=_NO_CONTRACT if one.tokens else "it has no token")
            for currency in currencies
        ),
        Cell(one.assets, reason=reason),
        Cell(None if per is None else decimal(per, 2), reason=reason),
        Cell(one.duplicates),
        Cell(one.rejections),
    )


def _totals(found: StampMonth) -> list[Row]:
    costs = [
        [one.costs[currency] for one in found.tenants if currency in one.costs]
        for currency in found.currencies
    ]
    totals = [exact_sum(amounts) for amounts in costs]
    left = [rounding_left(total, amounts) for total, amounts in zip(totals, costs, strict=True)]
    known = [one.assets for one in found.tenants if one.assets is not None]
    assets = sum(known)
    kept = sum(one.tokens for one in found.tenants if one.assets is not None)
    blank = [Cell("", kind=Kind.TEXT)] * 4
    rows = []
    if any(left):
        rows.append(
            Row(
                (Cell("Rounding"), blank[0], *(Cell(amount) for amount in left), *blank),
                "rounding",
                title="What rounding each line to cents leaves against the exact total",
            )
        )
    per = decimal(Fraction(kept * 1000, assets), 2) if assets else None
    rows.append(
        Row(
            (
                Cell("All tenants"),
                Cell(found.tokens),
                *(Cell(total) for total in totals),
                Cell(assets if known else None, reason=_NO_ASSETS),
                Cell(per, reason=_NO_ASSETS),
                Cell(sum(one.duplicates for one in found.tenants)),
                Cell(sum(one.rejections for one in found.tenants)),
            ),
            "total",
        )
    )
    return rows


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"

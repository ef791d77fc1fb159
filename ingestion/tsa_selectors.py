"""Time stamps of one month: tokens and cost by tenant, contracts with utilisation and projection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from django.db.models import Count, Min, OuterRef, Q, Subquery, Sum

from finops.core.amounts import to_money
from finops.core.periods import Window, add_months, days_in_month
from finops.models import Tenant
from ingestion.core.forecast import MOST_ORIGINS, WEEKS, Projection, project
from ingestion.core.pricing import Price, decimal_of
from ingestion.core.tsa import Status
from ingestion.core.tsa_contract import (
    METER,
    Contract,
    Utilisation,
    by_tenant,
    month_price,
    month_to_date_cost,
    utilisation,
    value_of_saving,
)
from ingestion.estimate_selectors import estimated_rate
from ingestion.models import Source
from ingestion.tsa_contracts import covering, current_contracts, tokens_of
from ingestion.tsa_models import KINDS, TenantAssets, TsaDay, TsaHour, TsaToken
from ingestion.usage_selectors import SentDays

_FAR = timedelta(days=62)
"""How far beyond the newest token a month may end that is projected."""
_HISTORY = timedelta(days=31 + MOST_ORIGINS + 7 * WEEKS)


@dataclass(frozen=True)
class TenantStamps:
    """One tenant's month. ``slug`` is empty for responses of nobody; ``costs`` is currency → amount.

    ``uncovered`` counts tokens that no contract covers; ``assets`` is ``None`` where nobody said.
    """

    slug: str
    name: str
    tokens: int
    rejections: int
    duplicates: int
    assets: int | None
    costs: Mapping[str, Decimal]
    uncovered: int = 0

    @property
    def per_1000_assets(self) -> Fraction | None:
        """Tokens per 1 000 assets."""
        return Fraction(self.tokens * 1000, self.assets) if self.assets else None


@dataclass(frozen=True)
class ContractMonth:
    """One contract in the month. ``tokens`` are the month's, ``expected`` its days' part of the commitment.

    ``price`` is the contract as a price of this month, ``cost`` what the ``priced`` tokens cost: in an open month
    those of hours that are over, at the rate of the last estimate, so that the ledger says the same. ``saving`` is what
    one token less is worth. In the contract's currency.
    """

    contract: Contract
    price: Price
    utilisation: Utilisation
    tokens: int
    expected: Fraction
    projection: Projection | None
    cost: Decimal
    saving: Fraction
    priced: int

    @property
    def rate(self) -> Fraction | None:
        """What one token costs on average; ``None`` without a token."""
        return Fraction(self.cost) / self.priced if self.priced else None


@dataclass(frozen=True)
class StampMonth:
    """All of one month; ``as_of`` is the newest token that was counted, ``by_day`` the tokens of its days.

    ``projection`` is of all tokens, whoever's contract covers them. ``failures`` is by bit of PKIFailureInfo
    (``ingestion.core.tsa.FAILURES``) how many rejections bear it.
    """

    month: date
    as_of: datetime | None
    tenants: tuple[TenantStamps, ...]
    contracts: tuple[ContractMonth, ...]
    projection: Projection | None
    by_day: Mapping[date, int]
    failures: Mapping[int, int] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Of all tenants."""
        return sum(tenant.tokens for tenant in self.tenants)

    @property
    def currencies(self) -> tuple[str, ...]:
        """Of the contracts of the month."""
        return tuple(sorted({one.contract.currency for one in self.contracts}))


def stamp_month(month: date, *, now: datetime) -> StampMonth:
    """The month that begins with ``month`` (its 1st), as it is known ``now``."""
    end = add_months(month, 1)
    contracts = current_contracts()
    as_of = _newest()
    rows = list(
        TsaDay.objects.filter(day__gte=month, day__lt=end)
        .order_by()
        .values_list("day", "tenant", "account")
        .annotate(tokens=Sum("tokens"), rejections=Sum("rejections"), twice=Sum("duplicates"))
    )
    shown: list[ContractMonth] = []
    costs: dict[str, dict[str, Decimal]] = defaultdict(dict)
    uncovered: dict[str, int] = defaultdict(int)
    of_contract: dict[int, dict[str, int]] = {
        one.version: {} for one in contracts if one.valid_from <= month < one.valid_until
    }
    for day, slug, account, tokens, _rejections, _twice in rows:
        contract = covering(contracts, account, day)
        if contract is None:
            uncovered[slug] += tokens
        else:
            found = of_contract[contract.version]
            found[slug] = found.get(slug, 0) + tokens
    for contract in contracts:
        if contract.version not in of_contract:
            continue
        tokens_by = dict(sorted(of_contract[contract.version].items()))
        one, priced_by = _contract_month(
            contract, contracts, month, tokens_by=tokens_by, as_of=as_of, now=now
        )
        shown.append(one)
        for slug, amount in by_tenant(one.cost, priced_by).items():
            known = costs[slug].get(contract.currency, Decimal(0))
            costs[slug][contract.currency] = known + amount
    by_day: dict[date, int] = defaultdict(int)
    for day, _slug, _account, tokens, *_ in rows:
        by_day[day] += tokens
    return StampMonth(
        month=month,
        as_of=as_of,
        tenants=_tenants(rows, costs, uncovered, min(end - timedelta(days=1), now.date())),
        contracts=tuple(shown),
        projection=_projection(Q(), month, as_of),
        by_day=dict(by_day),
        failures=_failures(month, end),
    )


def _failures(month: date, end: date) -> dict[int, int]:
    start, until = (datetime.combine(day, time(), UTC) for day in (month, end))
    rows = TsaToken.objects.filter(failure__isnull=False, at__gte=start, at__lt=until).order_by()
    return {
        int(failure): count
        for failure, count in rows.values_list("failure")
        .annotate(count=Count("pk"))
        .order_by("-count", "failure")
        if failure is not None
    }


def newest_token() -> Subquery:
    """The time of a source's newest token, to annotate sources with; a rejection may bear when it was seen."""
    granted = TsaToken.objects.filter(source=OuterRef("pk"), status__lte=Status.GRANTED_WITH_MODS)
    return Subquery(granted.order_by("-at").values("at")[:1])


def days_with_stamps(window: Window) -> dict[int, SentDays]:
    """The days of the window that each source has tokens for, and its first day; by the source's id."""
    tokens = TsaDay.objects.filter(tokens__gt=0).order_by()
    first = dict(tokens.values_list("source").annotate(first=Min("day")))
    days: dict[int, set[date]] = {source: set() for source in first}
    within = tokens.filter(day__gte=window.start, day__lt=window.end)
    for source, day in within.values_list("source", "day").distinct():
        days[source].add(day)
    return {source: SentDays(day, days[source]) for source, day in first.items()}


def _newest() -> datetime | None:
    rows = Source.objects.filter(kind__in=KINDS).annotate(newest=newest_token())
    return max((at for at in rows.values_list("newest", flat=True) if at), default=None)


def _contract_month(
    contract: Contract,
    contracts: list[Contract],
    month: date,
    *,
    tokens_by: Mapping[str, int],
    as_of: datetime | None,
    now: datetime,
) -> tuple[ContractMonth, Mapping[str, int]]:
    """The contract's month, and the tokens by tenant that its cost is of."""
    tokens = sum(tokens_by.values())
    before = tokens_of(contract, contracts, start=contract.valid_from, end=month)
    since = tokens_of(contract, contracts, start=contract.valid_from, end=contract.valid_until)
    price = month_price(contract, month, before)
    projection = _projection(_covered(contract, contracts), month, as_of)
    projected = projection.point if projection else tokens
    days = (contract.valid_until - contract.valid_from).days
    priced_by, amount = tokens_by, month_to_date_cost(price, tokens, projected)
    end = datetime.combine(add_months(month, 1), time(), UTC)
    known = estimated_rate(METER, contract.account, month) if now < end else None
    if known is not None:
        priced_by = _until(_covered(contract, contracts), month, min(known.through, end))
        amount = to_money(decimal_of(known.per_unit * sum(priced_by.values())))
    elif now < end and not tokens:
        over = max((now.date() - month).days, 0)
        amount = to_money(decimal_of(Fraction(amount) * over / days_in_month(month)))
    found = ContractMonth(
        contract=contract,
        price=price,
        utilisation=utilisation(contract, since, now),
        tokens=tokens,
        expected=Fraction(contract.commitment * days_in_month(month), days),
        projection=projection,
        cost=amount,
        saving=value_of_saving(price, max(projected, tokens)),
        priced=sum(priced_by.values()),
    )
    return found, priced_by


def _until(covered: Q, month: date, end: datetime) -> dict[str, int]:
    """Tokens by tenant from the month's start until before ``end``."""
    start = datetime.combine(month, time(), UTC)
    rows = TsaHour.objects.filter(covered, hour__gte=start, hour__lt=end, tokens__gt=0)
    return dict(rows.values_list("tenant").annotate(total=Sum("tokens")).order_by("tenant"))


def _covered(contract: Contract, contracts: list[Contract]) -> Q:
    """The days' rows that a contract covers, by account: what it is projected from."""
    if contract.account:
        return Q(account=contract.account)
    return ~Q(account__in=[one.account for one in contracts if one.account])


def _projection(covered: Q, month: date, as_of: datetime | None) -> Projection | None:
    if as_of is None:
        return None
    end = add_months(month, 1)
    if end - as_of.date() > _FAR:
        return None
    last = min(as_of.date(), end) - timedelta(days=1)
    history: dict[date, int] = dict(
        TsaDay.objects.filter(covered, day__gt=last - _HISTORY, day__lt=end)
        .order_by()
        .values_list("day")
        .annotate(total=Sum("tokens"))
    )
    partial = _share_of_day(covered, as_of) if as_of.date() < end else 0.0
    return project(history, start=month, end=end, last=last, partial=partial)


def _share_of_day(covered: Q, as_of: datetime) -> float:
    """What share of a day's tokens comes before this time of day, as on the same weekday of the weeks before."""
    days = [as_of.date() - timedelta(days=7 * back) for back in range(1, WEEKS + 1)]
    same = Q()
    for day in days:
        start = datetime.combine(day, time(), UTC)
        same |= Q(hour__gte=start, hour__lt=start + timedelta(days=1))
    before = whole = 0
    passed = as_of.minute / 60
    rows = TsaHour.objects.filter(covered, same).order_by().values_list("hour")
    for hour, tokens in rows.annotate(total=Sum("tokens")):
        whole += tokens
        if hour.hour < as_of.hour:
            before += tokens
        elif hour.hour == as_of.hour:
            before += tokens * passed
    return before / whole if whole else (as_of.hour + passed) / 24


def _tenants(
    rows: list[tuple[date, str, str, int, int, int]],
    costs: Mapping[str, Mapping[str, Decimal]],
    uncovered: Mapping[str, int],
    day: date,
) -> tuple[TenantStamps, ...]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for _day, slug, _account, *counts in rows:
        sums[slug] = [known + more for known, more in zip(sums[slug], counts, strict=True)]
    names = dict(Tenant.objects.filter(slug__in=list(sums)).values_list("slug", "name"))
    newest = (
        TenantAssets.objects.filter(day__lte=day, tenant__slug__in=list(sums))
        .order_by("day")
        .values_list("tenant__slug", "assets")
    )
    assets = dict(newest)
    found = [
        TenantStamps(
            slug=slug,
            name=names.get(slug, slug),
            tokens=tokens,
            rejections=rejections,
            duplicates=duplicates,
            assets=assets.get(slug),
            costs=costs.get(slug, {}),
            uncovered=uncovered.get(slug, 0),
        )
        for slug, (tokens, rejections, duplicates) in sums.items()
    ]
    return tuple(sorted(found, key=lambda one: (not one.slug, -one.tokens, one.slug)))

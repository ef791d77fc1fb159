"""The ledger as it stood at an earlier moment, built from the files of the loads that held then.

Only the periods that were delivered again since come from files; all others are the tables' own rows.
Revenue, rules' settings and names are those of today.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from django.db.models import Q

from allocation.core import sql
from allocation.core.figures import Slice
from allocation.core.ledger import Ledger, LedgerAmounts, LedgerKey, build_ledger, spread_uncertain
from finops.engine import connect
from ingestion import lake
from ingestion.models import Load
from ingestion.selectors import loads_at


class PastGoneError(Exception):
    """Retention removed the files of that time; the message is one sentence for people."""


@dataclass(frozen=True)
class Past:
    """What differs from today: loads whose files answer, and loads whose rows do not count."""

    loads: tuple[Load, ...] = ()
    left_out: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class UncertainPart:
    """Cost that nobody bears, as ``UncertainCost`` holds it for current loads."""

    load: UUID
    day: date
    sub_account_id: str
    service_name: str
    charge_category: str
    resource_id: str
    billing_currency: str
    billed_cost: Decimal
    effective_cost: Decimal


@dataclass(frozen=True)
class PastLedger:
    """All that a load of earlier times holds; it never changes."""

    ledger: Ledger
    uncertain: Sequence[UncertainPart]
    candidates: Sequence[tuple[UUID, str, str]]


def past(as_of: datetime | None) -> Past:
    """The difference between ``as_of`` and now. Raises ``PastGoneError``."""
    if as_of is None:
        return Past()
    newer = Load.objects.filter(committed_at__gt=as_of).values_list("source_id", "billing_period")
    periods = set(newer.distinct())
    if not periods:
        return Past()
    wanted = Q()
    for source, period in periods:
        wanted |= Q(source_id=source, billing_period=period)
    found = tuple(
        load for load in loads_at(as_of) if (load.source_id, load.billing_period) in periods
    )
    for load in found:
        refuse_purged(load)
    return Past(found, tuple(Load.objects.filter(wanted).values_list("pk", flat=True)))


def refuse_purged(load: Load) -> None:
    """Raises ``PastGoneError`` where the files of ``load`` are gone."""
    if load.purged_at:
        msg = (
            f"What {load.source.slug} had delivered for {load.billing_period:%Y-%m} by then was removed on "
            f"{load.purged_at:%Y-%m-%d}, because it is older than LOAD_RETENTION_DAYS: choose a later day."
        )
        raise PastGoneError(msg)


def ledger_rows(slice_: Slice) -> Iterable[tuple[date, LedgerKey, LedgerAmounts]]:
    """The daily rows of the slice that come from files."""
    for _, day, key, amounts in ledger_rows_by_load(slice_):
        yield day, key, amounts


def ledger_rows_by_load(slice_: Slice) -> Iterable[tuple[Load, date, LedgerKey, LedgerAmounts]]:
    """The same, each with its load."""
    for load in past(slice_.as_of).loads:
        if slice_.sources and load.source_id not in slice_.sources:
            continue
        for day, key, amounts in past_ledger(load).ledger.days:
            if _is_in(slice_, day, key):
                yield load, day, key, amounts


def uncertain_rows(slice_: Slice) -> Iterable[UncertainPart]:
    """The uncertain cost of the slice's window and currency that comes from files."""
    window, currency = slice_.window, slice_.currency
    for load in past(slice_.as_of).loads:
        for part in past_ledger(load).uncertain:
            if window.start <= part.day < window.end and part.billing_currency == currency:
                yield part


def candidates(slice_: Slice) -> Iterable[tuple[UUID, str, str]]:
    """Load, account and tenant of the candidates that come from files, for the slice's tenants."""
    for load in past(slice_.as_of).loads:
        for one in past_ledger(load).candidates:
            if slice_.tenants is None or one[2] in slice_.tenants:
                yield one


def past_ledger(load: Load) -> PastLedger:
    """The rows of ``load``, from its files."""
    return _past_ledger(load.pk, load.billing_period)


# A load's files never change their content, so that what was read once stays true.
@lru_cache(maxsize=3)
def _past_ledger(pk: UUID, billing_period: date) -> PastLedger:
    load = Load(pk=pk)
    hours, charges, allocated = (
        list(lake.files(kind, [load]).paths) for kind in ("hourly", "charges", "allocated")
    )
    if not hours:
        return PastLedger(Ledger((), (), (), ()), (), ())
    relation, keys = sql.parquet(charges), sql.parquet(allocated)
    with connect() as engine:
        days = engine.execute(sql.daily(sql.parquet(hours))).fetchall()
        open_cost = engine.execute(sql.uncertain(relation, keys)).fetchall()
        known = engine.execute(sql.candidates(relation, keys)).fetchall()
    uncertain = [
        UncertainPart(pk, *row[:4], *row[5:9])
        for row in spread_uncertain(open_cost, billing_period)
    ]
    return PastLedger(
        build_ledger(days, billing_period),
        uncertain,
        [(pk, account, slug) for account, slug in known],
    )


def _is_in(slice_: Slice, day: date, key: LedgerKey) -> bool:
    wanted = (
        (slice_.provider, key.service_provider_name),
        (slice_.environment, key.environment),
        (slice_.product, key.product),
        (slice_.team, key.team),
        (slice_.currency, key.billing_currency),
    )
    return (
        slice_.window.start <= day < slice_.window.end
        and all(not value or value == held for value, held in wanted)
        and (slice_.tenants is None or key.tenant in slice_.tenants)
        and (not slice_.environments or key.environment in slice_.environments)
    )

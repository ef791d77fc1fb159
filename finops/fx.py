"""The table of exchange rates: written in bulk, read by month."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.module_loading import import_string

from finops import clock
from finops.core.fx import LOOK_BACK, Quote
from finops.core.periods import add_months
from finops.fx_models import ExchangeRate

_BATCH = 2_000


@transaction.atomic
def write_quotes(*, quotes: Iterable[Quote]) -> int:
    """Write rates; one that is known for its day and pair takes the new value. How many were new or other.

    One transaction, with what follows from it. Where ``quotes`` name a day and pair twice the last counts.
    """
    waiting = iter(quotes)
    changed = 0
    while batch := list(islice(waiting, _BATCH)):
        changed += _write({(one.day, one.base, one.quote): one for one in batch})
    if changed:
        rates_changed()
    return changed


def rates_changed() -> None:
    """Call the steps that follow new rates, in the transaction that wrote them; they stand in ``settings.PIPELINE``."""
    for name in settings.PIPELINE["rates"]:
        step: Callable[[], object] = import_string(name)
        step()


def _write(wanted: dict[tuple[date, str, str], Quote]) -> int:
    days = [day for day, _, _ in wanted]
    rows = ExchangeRate.objects.filter(day__gte=min(days), day__lte=max(days))
    known = {
        (day, base, quote): (rate, source)
        for day, base, quote, rate, source in rows.values_list(
            "day", "base", "quote", "rate", "source"
        ).iterator()
    }
    fresh = [one for key, one in wanted.items() if key not in known or known[key][0] != one.rate]
    ExchangeRate.objects.bulk_create(
        [
            ExchangeRate(
                day=one.day,
                base=one.base,
                quote=one.quote,
                rate=one.rate,
                source=one.source[:200],
                changed_at=clock.now(),
            )
            for one in fresh
        ],
        batch_size=150,
        update_conflicts=True,
        unique_fields=["day", "base", "quote"],
        update_fields=["rate", "source", "changed_at"],
    )
    return len(fresh)


def quotes_of(months: Sequence[date], currencies: Collection[str]) -> list[Quote]:
    """What was published from a few days before the first of ``months`` through the last, for any of ``currencies``."""
    if not months:
        return []
    rows = ExchangeRate.objects.filter(
        Q(base__in=currencies) | Q(quote__in=currencies),
        day__gte=min(months) - LOOK_BACK,
        day__lt=add_months(max(months), 1),
    ).order_by("day", "base", "quote")
    return [Quote(*row) for row in rows.values_list("day", "base", "quote", "rate", "source")]

"""Time-stamp tokens as metered quantities: by hour and tenant, for the account whose contract covers them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.db.models import Max, Sum
from django.db.models.functions import TruncMonth

from finops import clock
from finops.core.periods import month_start
from ingestion.core.metered import MeteredHour, MeteredSpan, reach_in
from ingestion.core.tsa_contract import METER
from ingestion.core.watermark import LATENESS
from ingestion.tsa_contracts import covering, current_contracts
from ingestion.tsa_models import TsaDay, TsaHour

_HOUR = timedelta(hours=1)
_QUIET = timedelta(days=2)
"""After this time a month that is over is whole, also where its last days have no token."""


class TsaTokens:
    """Tokens; rejections cost nothing."""

    id = "tsa"
    meters = (METER,)

    def read(self, start: datetime, end: datetime) -> MeteredSpan:
        """Hours with tokens, whole where a later hour has any, where ``LATENESS`` has passed since, or where their
        month ended two days ago: a TSA that is not asked answers nothing."""
        return MeteredSpan(_hours(start, end), _through())

    @staticmethod
    def marks() -> dict[date, str]:
        """A month's tokens by tenant, those before it, by which its contract is used up, and the contracts."""
        through, contracts = _through(), current_contracts()
        sums = (
            TsaDay.objects.filter(tokens__gt=0)
            .order_by()
            .values_list(TruncMonth("day"), "tenant", "account")
            .annotate(tokens=Sum("tokens"))
            .order_by(TruncMonth("day"), "tenant", "account")
        )
        by_month: dict[date, list[tuple[str, str, int]]] = defaultdict(list)
        for month, tenant, account, tokens in sums:
            by_month[month].append((tenant, account, tokens))
        before: dict[str, int] = defaultdict(int)
        found: dict[date, str] = {}
        for month, rows in sorted(by_month.items()):
            about = (rows, sorted(before.items()), contracts, reach_in(month, through))
            found[month] = repr(about)
            for _tenant, account, tokens in rows:
                before[account] += tokens
        return found


def _through() -> datetime | None:
    newest: datetime | None = TsaHour.objects.filter(tokens__gt=0).aggregate(newest=Max("hour"))[
        "newest"
    ]
    if newest is None:
        return None
    over = datetime.combine(month_start((clock.now() - _QUIET).date()), time(), UTC)
    return max(newest, min(newest + _HOUR, _passed()), over)


def _passed() -> datetime:
    """The begin of the hour in which tokens may still come."""
    return (clock.now() - LATENESS).replace(minute=0, second=0, microsecond=0)


def _hours(start: datetime, end: datetime) -> Iterator[MeteredHour]:
    contracts = current_contracts()
    rows = TsaHour.objects.filter(hour__gte=start, hour__lt=end, tokens__gt=0)
    for row in rows.order_by("hour", "tenant", "account").iterator():
        contract = covering(contracts, row.account, row.hour.date())
        yield MeteredHour(
            hour=row.hour,
            meter=METER,
            quantity=Decimal(row.tokens),
            account=contract.account if contract else row.account,
            resource_id=f"tsa/{row.tenant or 'nobody'}",
            tags={"tenant": row.tenant} if row.tenant else {},
        )


METERED = TsaTokens()

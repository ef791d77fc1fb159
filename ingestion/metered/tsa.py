"""Time-stamp tokens as metered quantities: by hour and tenant, for the account whose contract covers them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Max, Sum

from finops import clock
from ingestion.core.metered import MeteredHour, MeteredSpan
from ingestion.core.tsa_contract import METER
from ingestion.core.watermark import LATENESS
from ingestion.tsa_contracts import covering, current_contracts
from ingestion.tsa_models import TsaHour

_HOUR = timedelta(hours=1)


class TsaTokens:
    """Tokens; rejections cost nothing."""

    id = "tsa"
    meters = (METER,)

    def read(self, start: datetime, end: datetime) -> MeteredSpan:
        """Hours with tokens: whole where a later hour has any, or where ``LATENESS`` has passed since."""
        newest = TsaHour.objects.filter(tokens__gt=0).aggregate(newest=Max("hour"))["newest"]
        if newest is not None:
            newest = max(newest, min(newest + _HOUR, _passed()))
        return MeteredSpan(_hours(start, end), newest)

    @staticmethod
    def mark() -> str:
        """Changes with the tokens of any tenant, and with the contracts that price them."""
        sums = (
            TsaHour.objects.filter(tokens__gt=0)
            .order_by("tenant", "account")
            .values_list("tenant", "account")
            .annotate(tokens=Sum("tokens"), newest=Max("hour"))
        )
        return repr([list(sums), current_contracts(), _passed()])


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

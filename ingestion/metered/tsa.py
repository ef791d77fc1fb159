"""Time-stamp tokens as metered quantities: by hour and tenant, for the account whose contract covers them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from django.db.models import Max, Sum

from ingestion.core.metered import MeteredHour, MeteredSpan
from ingestion.core.tsa_contract import METER
from ingestion.tsa_contracts import covering, current_contracts
from ingestion.tsa_models import TsaHour


class TsaTokens:
    """Tokens; rejections cost nothing."""

    id = "tsa"
    meters = (METER,)

    def read(self, start: datetime, end: datetime) -> MeteredSpan:
        """Hours with tokens; those before the newest hour that has any are whole."""
        newest = TsaHour.objects.filter(tokens__gt=0).aggregate(newest=Max("hour"))["newest"]
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
        return repr([list(sums), current_contracts()])


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

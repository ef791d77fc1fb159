"""Time stamps of Acme and Globex from 1 March to 29 April 2026: a contract of the year, a few rejections.

Acme has 20 tokens on a weekday and 5 on a day of the weekend, Globex 4 every day, nobody 1.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from ingestion.core.tsa import AssetsRecord, Status, TokenRecord
from ingestion.core.tsa_contract import Contract
from ingestion.tsa_contracts import write_contract
from ingestion.tsa_services import count_tokens, take_assets, tsa_source
from tests.dashboards.world import NOW

FIRST, LAST = date(2026, 3, 1), date(2026, 4, 29)
YEAR = Contract(
    name="Stamps 2026",
    valid_from=date(2026, 1, 1),
    valid_until=date(2027, 1, 1),
    commitment=7300,
    fee=Decimal(730),
    overage_price=Decimal("0.12"),
    currency="USD",
)
SAVED = "one token saved is worth nothing while the commitment lasts"


def load_stamps() -> None:
    write_contract(contract=YEAR, reason="signed", by=None)
    source = tsa_source(sender="stamper", now=NOW)
    records, day = [], FIRST
    while day <= LAST:
        acme = 20 if day.weekday() < 5 else 5
        for tenant, count in (("acme", acme), ("globex", 4), ("", 1)):
            records += [_record(day, tenant, number) for number in range(count)]
        day += timedelta(days=1)
    records.append(_record(LAST, "acme", 99, status=Status.REJECTION))
    count_tokens(source=source, records=records, now=NOW)
    take_assets(source=source, records=[AssetsRecord("acme", FIRST, 1500)], asides=(), now=NOW)


def _record(day: date, tenant: str, number: int, status: Status = Status.GRANTED) -> TokenRecord:
    name = f"{day}|{tenant}|{number}"
    # The second of Acme's day is stamped with the first one's digest.
    digest = sha256(f"{day}|{0 if number == 1 else number}".encode()).digest()
    at = datetime(day.year, day.month, day.day, number % 24, 30, tzinfo=UTC)
    return TokenRecord(
        sha256(name.encode()).digest(), at, status, tenant, hash_algorithm="sha256", digest=digest
    )

"""The standard scenario: a company's usage is estimated, its bill comes later, and the error is small."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from composition import demo_usage
from finops import clock
from finops.core.amounts import to_money
from finops.core.focus import ChargeCategory, ServiceCategory
from ingestion.cloudflare.store import Advance, Part, store_day
from ingestion.core.cloudflare_queries import WORKERS
from ingestion.core.invoices import Bill, Line
from ingestion.core.meters import CLOUDFLARE
from ingestion.core.pricing import cost
from ingestion.core.usage import UsageFact
from ingestion.estimate_models import MeterDay
from ingestion.estimate_selectors import meter_errors
from ingestion.estimating import estimate
from ingestion.invoices import take_bills
from ingestion.models import Connection, Source
from ingestion.prices import price_at
from ingestion.services import ingest
from simulator import cloudflare_usage
from simulator.step import Controls
from tests.simulator.deliveries import simulate, utc

pytestmark = pytest.mark.django_db

SEED = 7
MOST = Decimal("0.03")
APRIL = utc(2026, 4, 1)


def test_egress_in_logs_and_on_the_later_bill_differ_by_less_than_three_per_cent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = APRIL + timedelta(days=4, hours=3)
    monkeypatch.setattr(clock, "now", lambda: end)
    delivered = simulate(APRIL, end, controls=Controls(logs_from=APRIL))
    for path, content in delivered.files.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    demo_usage.ensure_origins(SEED)
    logs = tmp_path / "cloudflare" / "http_requests"
    demo_usage.ensure_sampling(
        Connection.objects.create(
            slug="logs", kind="cloudflare_logpush", location=str(logs), created_at=end
        )
    )
    ingest(kind="cloudflare_logpush", location=logs)
    estimate()
    ingest(kind="aws_cur", location=tmp_path / "aws")
    estimate()
    (error,) = meter_errors(APRIL.date())
    assert (error.meter, error.days) == ("egress_bytes", 4)
    assert error.billed > 500
    assert error.mape is not None
    assert error.mape <= MOST
    print(f"egress_bytes: MAPE {error.mape:.4%} over {error.days} days")


def test_a_month_of_workers_and_its_invoice_differ_by_less_than_three_per_cent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = cloudflare_usage.account_id(SEED)
    connection = Connection.objects.create(
        slug="edge", kind="cloudflare_usage", location="https://api.example", created_at=APRIL
    )
    source = Source.objects.create(
        slug="edge", kind="cloudflare_usage", identity=account, name="Edge", created_at=APRIL
    )
    used: dict[str, Decimal] = defaultdict(Decimal)
    may = utc(2026, 5, 1)
    half = {}
    for number in range(30):
        day = APRIL + timedelta(days=number)
        sums: dict[tuple[datetime, str, str], int] = defaultdict(int)
        for sample in cloudflare_usage.workers(SEED, day, day + timedelta(days=1)):
            hour = sample.moment.replace(minute=0)
            about, figures = dict(sample.about), dict(sample.figures)
            script = str(about["scriptName"])
            sums[hour, script, "worker_requests"] += figures["requests"]
            sums[hour, script, "worker_cpu_us"] += figures["cpuTimeUs"]
        for (_hour, _script, metric), quantity in sums.items():
            used[metric] += quantity
        store_day(
            source=source,
            day=day.date(),
            facts=[
                UsageFact(hour, metric, Decimal(quantity), account=account, script=script)
                for (hour, script, metric), quantity in sums.items()
            ],
            parts=[Part(("worker_requests", "worker_cpu_us"))],
            advance=Advance(connection, ((WORKERS.id, account),), day + timedelta(days=1)),
        )
        if number == 14:
            monkeypatch.setattr(clock, "now", lambda: utc(2026, 4, 16))
            estimate()
            half = {
                (row.meter, row.day): row.estimated_cost
                for row in MeterDay.objects.filter(day__lt=date(2026, 4, 15))
            }
    monkeypatch.setattr(clock, "now", lambda: may)
    estimate()
    later = {(row.meter, row.day): row.estimated_cost for row in MeterDay.objects.all()}
    for meter in used:
        early = sum(amount for (one, _), amount in half.items() if one == meter)
        final = sum(later[key] for key in half if key[0] == meter)
        assert abs(early - final) / final <= MOST, "the projection at half time"
    lines = tuple(
        Line(
            description=meter,
            service_name="Workers",
            service_category=ServiceCategory.COMPUTE,
            charge_category=ChargeCategory.USAGE,
            service_start=APRIL.date(),
            service_end=may.date(),
            amount=to_money(amount),
            meter=meter,
        )
        for meter, quantity in used.items()
        if (price := price_at(CLOUDFLARE, meter, "", APRIL.date()))
        and (amount := cost(price, quantity))
    )
    take_bills(bills=[Bill(CLOUDFLARE, "CF-1", may.date(), "USD", lines)])
    estimate()
    errors = {error.meter: error.mape for error in meter_errors(APRIL.date())}
    assert set(errors) == {"worker_requests", "worker_cpu_us"}
    assert all(mape is not None and mape <= MOST for mape in errors.values())
    print({meter: f"{mape:.4%}" for meter, mape in errors.items() if mape is not None})

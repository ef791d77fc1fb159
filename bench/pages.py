"""How long pages take over a large ledger: `.venv/bin/python bench/pages.py [--rows 10000000]`.

Fills a scratch SQLite database with that many daily ledger rows (200 tenants, 12 services, a year),
asks each page seven times through the whole stack, and prints medians beside a yardstick of the same
run: the time that the database itself takes to sum 90 days of the small P&L table. A third of the cost
is of an environment that is not production, one tenant in ten has a bill in euros too, and there is a
rate for every day. The budget is 200 ms a page.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TENANTS, SERVICES, DAYS = 200, 12, 365
LAST = date(2026, 10, 31)
RUNS = 7
CATEGORIES = ("Compute", "Storage", "Networking", "Databases")


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    wanted = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="bench-pages-") as scratch:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="finops.settings",
            FINOPS_TESTING="1",
            FINOPS_READ_DOTENV="0",
            DATABASE_URL=f"sqlite:///{scratch}/bench.sqlite3",
            FINOPS_LAKE_URL=f"{scratch}/lake",
            NON_PRODUCTION_ENVIRONMENTS="env-2",
        )
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        logging.disable(logging.INFO)
        began = time.perf_counter()
        rows = fill(wanted)
        print(f"{rows:,} daily ledger rows written in {time.perf_counter() - began:.0f} s")
        measure()


def fill(wanted: int) -> int:
    """Write a year of ledger rows with plain SQL; the figures are the same every day."""
    from django.core.management import call_command
    from django.db import connection, transaction
    from django.utils import timezone

    from finops.fx_models import ExchangeRate
    from finops.models import Tenant, User
    from ingestion.models import Delivery, Load, LoadTotal, RevenueRow, Source

    call_command("migrate", verbosity=0)
    now = timezone.now()
    source = Source.objects.create(
        slug="aws",
        kind="aws_cur",
        identity="bench",
        name="AWS",
        service_provider_name="AWS",
        created_at=now,
    )
    User.objects.create_superuser("bench", password="bench")
    Tenant.objects.bulk_create(
        [Tenant(slug=f"tenant-{n}", name=f"Tenant {n}", first_seen=now) for n in range(TENANTS)]
    )
    delivery = Delivery.objects.create(
        source=source, key="bench", billing_period=LAST.replace(day=1), discovered_at=now
    )
    load = Load.objects.create(
        source=source,
        delivery=delivery,
        billing_period=LAST.replace(day=1),
        state="current",
        started_at=now,
        data_through=now,
    )
    amounts = ["allocated", "unallocated", "lines", "rejected_lines"]
    amounts += [f"{name}_{part}" for name in LoadTotal.EXACT for part in ("head", "tail")]
    for currency in ("USD", "EUR"):
        LoadTotal.objects.create(load=load, billing_currency=currency, **dict.fromkeys(amounts, 0))
    kinds = max(1, round(wanted / (DAYS * TENANTS * SERVICES)))
    days = [LAST - timedelta(days=n) for n in range(DAYS)]
    constant = f"'{load.pk.hex}', {source.pk}"
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("CREATE TEMP TABLE days(day TEXT)")
        cursor.executemany("INSERT INTO days VALUES (%s)", [(str(day),) for day in days])
        cursor.execute("CREATE TEMP TABLE services(name TEXT, category TEXT)")
        cursor.executemany(
            "INSERT INTO services VALUES (%s, %s)",
            [(f"Service {n}", CATEGORIES[n % len(CATEGORIES)]) for n in range(SERVICES)],
        )
        cursor.execute("CREATE TEMP TABLE kinds(n INTEGER)")
        cursor.executemany("INSERT INTO kinds VALUES (%s)", [(n,) for n in range(kinds)])
        columns = (
            "load_id, source_id, tenant_id, environment, product, team, service_provider_name, service_category,"
            "service_name, region_id, charge_category, billing_currency, kind, granularity, method, confidence,"
            "billed_cost, effective_cost, list_cost, consumed_quantity, consumed_unit, lines"
        )
        values = (
            f"{constant}, t.id, 'env-' || (n % 3), 'product-' || n, 'team-' || (n % 5), 'AWS', category, s.name,"
            "'us-east-1', 'Usage', 'USD', 'billed', 'hour', 'tag tenant v1', '1.00', 1234567, 1234567, 1234567,"
            "10000, 'Hrs', 24"
        )
        cursor.execute(
            f"INSERT INTO allocation_ledgerday({columns}, day) SELECT {values}, day "
            "FROM days, finops_tenant t, services s, kinds"
        )
        cursor.execute(
            f"INSERT INTO allocation_ledgermonth({columns}, month) SELECT {values}, month "
            "FROM (SELECT DISTINCT substr(day, 1, 7) || '-01' AS month FROM days), finops_tenant t, services s, kinds"
        )
        cursor.execute(
            "INSERT INTO allocation_pnlday(load_id, day, tenant_id, service_provider_name, service_category,"
            "charge_category, billing_currency, kind, confidence, billed_cost, effective_cost, lines) "
            f"SELECT '{load.pk.hex}', day, t.id, 'AWS', category, 'Usage', 'USD', 'billed', '1.00',"
            f"{1234567 * kinds * SERVICES // 4}, {1234567 * kinds * SERVICES // 4}, 24 "
            "FROM days, finops_tenant t, (SELECT DISTINCT category FROM services)"
        )
        cursor.execute(
            "INSERT INTO allocation_pnlmonth(load_id, month, tenant_id, service_provider_name, service_category,"
            "charge_category, billing_currency, kind, confidence, billed_cost, effective_cost, lines) "
            "SELECT load_id, substr(day, 1, 7) || '-01', tenant_id, service_provider_name, service_category,"
            "charge_category, billing_currency, kind, confidence, sum(billed_cost), sum(effective_cost), sum(lines) "
            "FROM allocation_pnlday GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9"
        )
        RevenueRow.objects.bulk_create(
            [
                RevenueRow(
                    tenant_id=pk,
                    service_start=days[-1],
                    service_end=LAST + timedelta(days=1),
                    amount=DAYS * 5,
                    currency="USD",
                    invoice_id=f"INV-{pk}",
                )
                for pk in Tenant.objects.values_list("pk", flat=True)
            ]
        )
        cursor.execute(
            "INSERT INTO allocation_recognisedrevenue(revenue_row_id, day, tenant_id, currency, amount) "
            "SELECT r.id, day, r.tenant_id, 'USD', 500000000 FROM days, ingestion_revenuerow r"
        )
    ExchangeRate.objects.bulk_create(
        ExchangeRate(day=day, base="EUR", quote="USD", rate="1.1", source="bench", changed_at=now)
        for day in days
    )
    with connection.cursor() as cursor, transaction.atomic():
        for table in ("ledgerday", "ledgermonth", "pnlday", "pnlmonth"):
            names = [
                name
                for (_, name, *_) in cursor.execute(
                    f"PRAGMA table_info(allocation_{table})"
                ).fetchall()
                if name != "id"
            ]
            euros = ["'EUR'" if name == "billing_currency" else name for name in names]
            cursor.execute(
                f"INSERT INTO allocation_{table}({', '.join(names)}) SELECT {', '.join(euros)} "
                f"FROM allocation_{table} WHERE tenant_id % 10 = 0"
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SELECT count(*) FROM allocation_ledgerday")
        return int(cursor.fetchone()[0])


def measure() -> None:
    """Print the median time of each page, and its ratio to the yardstick."""
    from django.db import connection
    from django.test import Client

    from finops.models import User

    first = LAST - timedelta(days=89)
    with connection.cursor() as cursor:
        yardstick = median(
            lambda: cursor.execute(
                "SELECT day, sum(effective_cost) FROM allocation_pnlday WHERE billing_currency IN (%s, %s) "
                "AND day >= %s AND day <= %s GROUP BY day",
                ["USD", "EUR", str(first), str(LAST)],
            ).fetchall()
        )
    print(
        f"yardstick: 90 days of the P&L table summed by the database itself, {yardstick * 1000:.0f} ms"
    )
    client = Client()
    client.force_login(User.objects.get())
    span = "period=custom&from=2026-10-02&to=2026-10-31"
    months = "period=custom&from=2026-08-01&to=2026-10-31"
    pages = {
        "overview, 30 days": f"/?{span}",
        "overview, 3 months": f"/?{months}",
        "tenants, 30 days": f"/tenants/?{span}",
        "statement, 3 months": f"/tenants/tenant-7/?{months}",
        "statement, 30 days by day": f"/tenants/tenant-7/?{span}&granularity=day",
        "statement, filtered": f"/tenants/tenant-7/?{span}&environment=env-1",
        "services of a category": f"/tenants/tenant-7/services/?{span}&category=Compute",
        "reconciliation": "/reconciliation/",
        "month close": "/month-close/",
        "data health": "/data-health/",
        "egress": "/egress/",
        "time stamps": "/time-stamps/",
    }
    for name, url in pages.items():
        response = client.get(url)
        if response.status_code != 200:
            sys.exit(f"{url} answers {response.status_code}")
        seconds = median(partial(client.get, url))
        print(f"{name:<28} {seconds * 1000:7.0f} ms   {seconds / yardstick:6.2f} × yardstick")


def median(work: Callable[[], object]) -> float:
    """Median seconds of ``RUNS`` calls, after one that does not count."""
    times = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()

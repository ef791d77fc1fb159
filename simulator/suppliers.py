"""Invoices of the company's other suppliers for a month that is over, and exchange rates as the ECB prints them.

Cloudflare bills what ``cloudflare_usage`` says was used, at its public prices, within 2 % (it counts with its own
clocks); the time-stamping authority and the support vendor bill in EUR. One file a month, one row a line.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import PurePosixPath

from simulator import cloudflare_usage, seeded
from simulator.cur import SimulatedFile
from simulator.lines import next_month

_CENT = Decimal("0.01")
_HOUR = timedelta(hours=1)
_CLASS_A = {"PutObject", "UploadPart", "ListObjects", "CompleteMultipartUpload"}
_CLASS_B = {"GetObject", "HeadObject"}
# Line, service, its category, meter, USD a unit, how many a unit holds, units included. Source: Cloudflare's pages
# "Workers, Pricing" and "R2, Pricing".
_PRICES = (
    ("Workers requests", "Workers", "Compute", "worker_requests", "0.30", 10**6, 10),
    ("Workers CPU time", "Workers", "Compute", "worker_cpu_us", "0.02", 10**9, 30),
    ("R2 class A operations", "R2", "Storage", "r2_class_a", "4.50", 10**6, 1),
    ("R2 class B operations", "R2", "Storage", "r2_class_b", "0.36", 10**6, 10),
)
_HEADER = (
    *("supplier", "invoice_id", "issued_on", "currency", "description", "service_name"),
    *("service_category", "charge_category", "service_start", "service_end", "amount"),
    *("meter", "account", "invoice_total"),
)


def invoices_file(seed: int, month: datetime) -> SimulatedFile:
    """The suppliers' invoices of ``month``, which is over."""
    end = next_month(month)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    for supplier, currency, lines in (
        ("Cloudflare", "USD", _cloudflare(seed, month, end)),
        ("TSA", "EUR", _tsa(seed, month)),
        ("Meridian Support Partner", "EUR", _support()),
    ):
        total = sum(amount for *_, amount, _, _ in lines)
        number = f"{supplier.split()[0].upper()}-{month:%Y-%m}"
        for description, service, category, charge, amount, meter, account in lines:
            writer.writerow(
                (
                    *(supplier, number, end.date(), currency, description, service, category),
                    *(charge, month.date(), end.date(), amount, meter, account, total),
                )
            )
    return SimulatedFile(
        PurePosixPath("invoices") / f"invoices-{month:%Y-%m}.csv", text.getvalue().encode()
    )


def rates_file(seed: int, month: datetime, until: datetime) -> SimulatedFile:
    """The working days of ``month`` before ``until``, newest first as the ECB writes them, with its last comma."""
    rows = []
    day = month.date()
    while day < min(next_month(month), until).date():
        if day.weekday() < 5:
            rows.append(f"{day},{_rate(seed, 'USD', day)},{_rate(seed, 'GBP', day)},N/A,")
        day += timedelta(days=1)
    text = "\n".join(["Date,USD,GBP,RUB,", *reversed(rows), ""])
    return SimulatedFile(PurePosixPath("rates") / f"eurofxref-{month:%Y-%m}.csv", text.encode())


_Line = tuple[str, str, str, str, Decimal, str, str]


def _cloudflare(seed: int, month: datetime, end: datetime) -> list[_Line]:
    used: Counter[str] = Counter()
    hour = month
    while hour < end:
        # A quarter of each hour stands for the hour: the error is far below the 2 % of the bill's own.
        quarter = hour + timedelta(minutes=15)
        for sample in cloudflare_usage.workers(seed, hour, quarter):
            figures = dict(sample.figures)
            used["worker_requests"] += 4 * figures["requests"]
            used["worker_cpu_us"] += 4 * figures["cpuTimeUs"]
        for sample in cloudflare_usage.r2_operations(seed, hour, quarter):
            action, figures = dict(sample.about)["actionType"], dict(sample.figures)
            if action in _CLASS_A:
                used["r2_class_a"] += 4 * figures["requests"]
            elif action in _CLASS_B:
                used["r2_class_b"] += 4 * figures["requests"]
        hour += _HOUR
    account = cloudflare_usage.account_id(seed)
    lines: list[_Line] = [
        (
            "Workers Paid plan",
            "Workers",
            "Compute",
            "Purchase",
            Decimal("5.00"),
            "workers_plan",
            account,
        )
    ]
    for description, service, category, meter, price, size, included in _PRICES:
        units = max(Decimal(used[meter]) / size - included, Decimal(0))
        drift = seeded.between(seed, "invoice", meter, f"{month:%Y-%m}", low=-200, high=200)
        amount = _cents(units * Decimal(price) * (10_000 + drift) / 10_000)
        lines.append((description, service, category, "Usage", amount, meter, account))
    return lines


def _tsa(seed: int, month: datetime) -> list[_Line]:
    tokens = seeded.between(seed, "tokens", f"{month:%Y-%m}", low=48_000, high=61_000)
    stamps = _cents(Decimal(tokens) * Decimal("0.021"))
    return [
        ("Qualified time stamps", "Time stamping", "Security", "Usage", stamps, "tsa_tokens", ""),
        ("Base fee", "Time stamping", "Security", "Purchase", Decimal("150.00"), "", ""),
    ]


def _support() -> list[_Line]:
    amount = Decimal("1900.00")
    return [("Premium support", "Support", "Other", "Purchase", amount, "", "")]


def _rate(seed: int, currency: str, day: date) -> Decimal:
    mean = {"USD": 11_200, "GBP": 8_550}[currency]
    swing = seeded.between(seed, "rate", currency, day.isoformat(), low=-120, high=120)
    return Decimal(mean + swing) / 10_000


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)

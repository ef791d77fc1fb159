"""Looks at APIs: when each was asked last, what it can tell, and why it cannot tell the rest. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dashboards.numbers import round_places
from dashboards.tables import Cell, Column, Kind, Row, Table
from ingestion.core.billable_usage import Beside
from ingestion.core.list_prices import CLOUDFLARE_GB
from ingestion.core.r2 import BucketUsage
from ingestion.core.usage import METRICS

if TYPE_CHECKING:
    from ingestion.cloudflare_models import UsageCheck

_YES = "yes"
_CPU_SUM = "workersInvocationsAdaptive.cpuTimeUs"
_WORDS = {
    _CPU_SUM: "sum of CPU time",
    "workersInvocationsAdaptive": "Workers",
    "r2OperationsAdaptiveGroups": "R2 operations",
    "r2StorageAdaptiveGroups": "R2 storage",
    "httpRequestsAdaptiveGroups": "zone requests",
    "deployments": "deployments",
    "billable_usage": "billable usage",
}


def checks_table(rows: Sequence[UsageCheck]) -> Table:
    """The newest look through each connection to an API."""
    columns = (
        Column("connection", "Connection"),
        Column("checked", "Last look (UTC)", Kind.TIME),
        Column("can", "Can tell"),
        Column("rows", "Rows", Kind.NUMBER),
        Column("aside", "Put aside", Kind.NUMBER),
        Column("problem", "Problem, notes"),
    )
    return Table(
        "usage-checks",
        "Usage by API: the newest look through each connection",
        columns,
        [_row(check) for check in rows],
        empty="No API is asked for usage: an admin adds connections in the admin.",
    )


def r2_table(rows: Sequence[BucketUsage], month: str) -> Table:
    """What R2 counts of ``month`` to date, by bucket and storage class. Sizes are in GB of 10^9 bytes."""
    columns = (
        Column("bucket", "Bucket"),
        Column("account", "Account"),
        Column("storage_class", "Storage class"),
        Column("class_a", "Class A", Kind.NUMBER, "operations"),
        Column("class_b", "Class B", Kind.NUMBER, "operations"),
        Column("free", "Free", Kind.NUMBER, "operations"),
        Column("stored", "Stored", Kind.NUMBER, "GB-month"),
        Column("is_sampled", "Sampled"),
    )
    return Table(
        "r2-usage",
        f"R2 in {month} to date: operations, and the mean of the peaks of all its days",
        columns,
        [
            Row(
                (
                    Cell(row.bucket),
                    Cell(row.account),
                    Cell(row.storage_class or None, reason="Cloudflare does not tell it"),
                    Cell(row.class_a),
                    Cell(row.class_b),
                    Cell(row.free),
                    Cell(round_places(row.byte_months / CLOUDFLARE_GB, 3)),
                    Cell("yes" if row.is_sampled else "no"),
                )
            )
            for row in rows
        ],
        empty=f"No usage of R2 is known for {month}.",
    )


def billable_table(rows: Sequence[Beside]) -> Table:
    """What Cloudflare says it will bill beside what its analytics estimate, over the days that both know."""
    columns = (
        Column("meter", "Meter"),
        Column("account", "Account"),
        Column("days", "Days", Kind.NUMBER),
        Column("billable", "Billable", Kind.NUMBER),
        Column("analytics", "Analytics", Kind.NUMBER),
        Column("difference", "Difference", Kind.PERCENT),
        Column("worst", "Day with the largest"),
    )
    return Table(
        "billable-usage",
        "Billable usage beside the analytics: the whole days of the last 31 that both know",
        columns,
        [
            Row(
                (
                    Cell(METRICS[row.metric].title, note=METRICS[row.metric].unit),
                    Cell(row.account),
                    Cell(row.days),
                    Cell(row.billable),
                    Cell(row.analytics),
                    Cell(row.difference, reason="nothing is billable"),
                    _worst(row),
                )
            )
            for row in rows
        ],
        empty="No day is known to both yet.",
    )


def _worst(row: Beside) -> Cell:
    if row.worst is None:
        return Cell(reason="no day differs")
    day, share = row.worst
    sign = "−" if share < 0 else "+"
    return Cell(day.isoformat(), note=f"{sign}{round_places(abs(share) * 100, 2):f} %")


def _row(check: UsageCheck) -> Row:
    can, cannot = _told(check.capabilities)
    start, end = check.window_start, check.window_end
    return Row(
        (
            Cell(check.connection.slug),
            Cell(
                check.checked_at,
                note=f"window {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
                if start and end
                else "nothing was asked for",
            ),
            Cell(
                can or None,
                reason="no answer has come",
                note=f"cannot tell {cannot}" if cannot else "",
            ),
            Cell(check.rows),
            Cell(
                check.rejected_rows,
                note=_first_reject(check.rejects),
                tone="warning" if check.rejected_rows else "",
            ),
            Cell(
                check.problem,
                note=" ".join(check.notes),
                tone="danger" if check.problem else "",
            ),
        )
    )


def _told(capabilities: Mapping[str, str]) -> tuple[str, str]:
    can = [_WORDS.get(name, name) for name, value in capabilities.items() if value == _YES]
    cannot = [
        f"{_WORDS.get(name, name)}: {value}"
        for name, value in capabilities.items()
        if value != _YES
    ]
    return ", ".join(can), "; ".join(cannot)


def _first_reject(rejects: Sequence[Mapping[str, str]]) -> str:
    return f"{rejects[0]['place']}: {rejects[0]['reason']}" if rejects else ""

"""A small company over two months, loaded through the real pipeline, and the people who look at it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from django.contrib.auth.models import Group

from finops.models import Tenant, User
from ingestion.services import ingest
from tests.cur_export import Export, line

NOW = datetime(2026, 4, 30, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
SHARED, OWN = "444455556666", "777788889999"


def tags(**named: str) -> str:
    """A CUR tag cell."""
    return json.dumps({f"resourceTags/user:{name.title()}": value for name, value in named.items()})


def in_march(row: dict[str, str]) -> dict[str, str]:
    """The same line a month earlier."""
    return {name: value.replace("2026-04-", "2026-03-") for name, value in row.items()}


def april_lines() -> list[dict[str, str]]:
    """Lines with digits below the cent, a credit, tax, uncertain cost and a formula as a resource."""
    return [
        line("10.0049", tags=tags(tenant="acme", environment="production", team="core")),
        line("14.3333", day=2, tags=tags(tenant="acme", environment="staging")),
        line(
            "6.1266",
            tenant="acme",
            day=2,
            line_item_product_code="AmazonS3",
            line_item_usage_type="DataTransfer-Out-Bytes",
        ),
        line("61.0051", tenant="globex", day=2, line_item_resource_id="i-globex"),
        line("2.3333", tenant="initech", line_item_usage_account_id=OWN),
        line("3.0044", day=3, line_item_resource_id="i-untagged"),
        line("-5.25", tenant="acme", line_item_line_item_type="Credit"),
        line("9.5", tenant="acme", day=1, line_item_line_item_type="Tax"),
        line("1.0", tenant="acme", day=30, hour=23, line_item_resource_id="=1+1"),
    ]


def load_company(folder: Path) -> None:
    """March and April: acme far above the goal, globex below it, initech without revenue."""
    april, march = april_lines(), [in_march(row) for row in april_lines()[:6]]
    for period, rows in (("2026-03", march), ("2026-04", april)):
        place = folder / f"aws-{period}"
        place.mkdir(parents=True)
        export = Export(rows, period=period, execution=f"{period}-30T15:24:15.653Z-{period}-0001")
        assert ingest(kind="aws_cur", location=export.write(place)).exit_code == 0
    bills = folder / "revenue.csv"
    bills.write_text(
        "tenant,service_start,service_end,amount,currency,invoice_id\n"
        "acme,2026-03-01,2026-04-01,290.00,USD,A-3\n"
        "acme,2026-04-01,2026-05-01,300.00,USD,A-4\n"
        "globex,2026-03-01,2026-04-01,100.00,USD,G-3\n"
        "globex,2026-04-01,2026-05-01,100.00,USD,G-4\n"
    )
    assert ingest(kind="revenue_csv", location=bills).exit_code == 0


def load_rejects(folder: Path) -> None:
    """A delivery of which one row cannot be read."""
    bills = folder / "bad.csv"
    bills.write_text(
        "tenant,service_start,service_end,amount,currency,invoice_id\n"
        "globex,2026-04-01,2026-05-01,12.00,USD,G-5\n"
        "globex,2026-04-01,2026-05-01,=ten,USD,G-6\n"
    )
    ingest(kind="revenue_csv", location=bills)


def person(name: str, *groups: str, scope: str = "") -> User:
    """Someone who can sign in with ``PASSWORD``; ``scope`` limits them to one tenant."""
    user = User.objects.create_user(username=name, password=PASSWORD)
    user.groups.set(Group.objects.filter(name__in=groups))
    if scope:
        user.tenant_scope.set(Tenant.objects.filter(slug=scope))
    return user

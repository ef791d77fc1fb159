"""What was known then: an earlier load is read again, exactly as it stood."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from allocation.core.figures import Slice
from allocation.lake import charge_lines
from allocation.models import LedgerDay
from allocation.past import PastGoneError
from allocation.selectors import (
    pnl_by_column,
    pnl_by_tenant,
    services,
    statement,
    unallocated_cost,
    untagged_resources,
)
from finops.core.periods import PeriodError, Window, parse_moment
from ingestion.models import Load
from tests.cur_export import Export, line
from tests.dashboards.world import person
from tests.ingestion.bills import load

pytestmark = pytest.mark.django_db

NOW = Slice(window=Window.of_month(date(2026, 4, 1)))
DAYS = Slice(window=Window(date(2026, 4, 1), date(2026, 4, 20)))
FIRST = [
    line("10", tenant="acme", day=1),
    line("4", tenant="acme", day=2),
    line("6.000000005", tenant="globex", day=3),
    line("0.000000005", tenant="globex", day=3),
    line("-1", tenant="acme", day=3, line_item_line_item_type="Credit"),
    line("1", day=3, line_item_resource_id="i-untagged"),
]
SECOND = [
    *FIRST[:1],
    line("7", tenant="acme", day=2),
    *FIRST[2:],
    line("3", tenant="initech", day=4),
]


def figures(slice_: Slice) -> list[object]:
    """Everything that pages show of a slice."""
    return [
        pnl_by_tenant(slice_),
        pnl_by_column(slice_, "month"),
        pnl_by_column(slice_, "day"),
        services(slice_, "Compute"),
        untagged_resources(slice_, "globex"),
        unallocated_cost(slice_),
        charge_lines(slice_),
        statement(slice_, "month", previous=Window.of_month(date(2026, 3, 1))),
        pnl_by_tenant(replace(slice_, environment="production")),
        pnl_by_column(replace(slice_, tenants=("globex",)), "day"),
    ]


@pytest.fixture
def told_twice(tmp_path):
    """Two deliveries of April, known on 10 and 11 April; and what was shown in between."""
    shown = []
    for number, rows in enumerate((FIRST, SECOND)):
        export = Export(rows, execution=f"2026-04-{10 + number}T08:00:00.000Z-0000000{number}")
        assert load(export.write(tmp_path)).exit_code == 0
        shown.append([figures(NOW), figures(DAYS)])
    first, second = Load.objects.order_by("started_at")
    moments = [datetime(2026, 4, 10 + number, 9, tzinfo=UTC) for number in range(2)]
    Load.objects.filter(pk=first.pk).update(committed_at=moments[0], superseded_at=moments[1])
    Load.objects.filter(pk=second.pk).update(committed_at=moments[1])
    return shown


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("day", ["2026-04-10", "2026-04-11"])
def test_every_figure_is_the_one_that_was_shown_then(told_twice, number, day):
    slice_ = replace((NOW, DAYS)[number], as_of=parse_moment(day))
    then = told_twice[0 if day == "2026-04-10" else 1][number]
    assert figures(slice_) == then


def test_before_the_first_delivery_nothing_was_known(told_twice):
    slice_ = replace(NOW, as_of=parse_moment("2026-04-10T08:59"))
    assert pnl_by_tenant(slice_) == {}
    assert charge_lines(slice_).total_lines == 0


def test_what_retention_removed_is_said_and_not_shown_as_zero(told_twice):
    Load.objects.filter(state="superseded").update(purged_at=datetime(2026, 6, 1, tzinfo=UTC))
    slice_ = replace(NOW, as_of=parse_moment("2026-04-10"))
    for read in (pnl_by_tenant, charge_lines):
        with pytest.raises(
            PastGoneError, match=r"2026-04 .* removed on 2026-06-01.*LOAD_RETENTION"
        ):
            read(slice_)


def pnl(**options: str) -> str:
    out = StringIO()
    call_command("pnl", period="2026-04", stdout=out, **options)
    return out.getvalue()


def test_pnl_prints_what_was_known(told_twice):
    then, now = pnl(as_of="2026-04-10", format="csv"), pnl(format="csv")
    assert then != now
    assert [then.splitlines()[1].split(",")[i] for i in (0, 6)] == ["acme", "14"]
    assert "initech" in now
    assert "initech" not in then
    assert "as known at 2026-04-10 23:59 UTC" in pnl(as_of="2026-04-10")


def test_a_moment_that_is_none_is_refused_with_what_to_write(told_twice):
    with pytest.raises(CommandError, match="not a moment: write a day as YYYY-MM-DD") as refused:
        pnl(as_of="yesterday")
    assert refused.value.returncode == 2
    for text in ("2026-02-30", "2026-02-28T25:00", "20260401", "", "2026-04-01T10:00+02:00"):
        with pytest.raises(PeriodError):
            parse_moment(text)


def test_pages_take_a_day_and_say_what_they_show(told_twice, client):
    client.force_login(person("alice", "finance"))
    page = client.get("/tenants/?period=2026-04&as_of=2026-04-10").content.decode()
    assert "Bills as they were known on 10 Apr 2026" in page
    assert "14.00" in page
    assert "17.00" not in page
    bad = client.get("/tenants/?as_of=2999-01-01")
    assert bad.status_code == 400
    assert "must lie between" in bad.content.decode()
    Load.objects.filter(state="superseded").update(purged_at=datetime(2026, 6, 1, tzinfo=UTC))
    gone = client.get("/tenants/?period=2026-04&as_of=2026-04-10")
    assert gone.status_code == 400
    assert "choose a later day" in gone.content.decode()
    assert LedgerDay.objects.exists()
    assert pnl_by_tenant(NOW)["acme"].cost == Decimal(17)

"""One hour after another: repeatable, and the same whether it goes in one run or in two."""

from dataclasses import replace
from decimal import Decimal

import pytest

from simulator.step import Controls, begin, run, step
from tests.simulator.deliveries import Simulated, simulate, utc

START, DAY_2, DAY_3 = utc(2026, 10, 1), utc(2026, 10, 2), utc(2026, 10, 3)


def test_the_same_seed_and_hours_give_the_same_bytes(days: Simulated):
    again = simulate(utc(2026, 10, 1), utc(2026, 10, 5))
    assert again.files == days.files
    assert again.order == days.order
    assert again.state == days.state


def test_going_on_gives_the_lines_that_one_run_gives():
    first = simulate(START, DAY_2)
    advanced = simulate(START, DAY_3, state=first.state)
    at_once = simulate(START, DAY_3)
    assert advanced.chunks("2026-10") == at_once.chunks("2026-10")
    assert advanced.truth["months"]["2026-10"] | {"execution_id": ""} == at_once.truth["months"][
        "2026-10"
    ] | {"execution_id": ""}
    assert advanced.manifest("2026-10")["executionId"] != first.manifest("2026-10")["executionId"]
    assert not [path for path in advanced.files if path.startswith("revenue/")]


def test_a_later_delivery_only_adds_lines():
    first = simulate(START, utc(2026, 10, 1, 20))
    later = simulate(START, utc(2026, 10, 1, 21), state=first.state)
    before = {tuple(row.items()) for row in first.rows("2026-10")}
    after = {tuple(row.items()) for row in later.rows("2026-10")}
    assert before < after


def test_when_the_month_turns_the_old_one_is_closed_and_revenue_comes():
    late = replace(begin(7, START), next_hour=utc(2026, 10, 31, 23))
    turned = simulate(START, utc(2026, 11, 1, 1), state=late)
    months = turned.truth["months"]
    assert {period: about["closed"] for period, about in months.items()} == {
        "2026-10": True,
        "2026-11": False,
    }
    assert turned.order[0] == "revenue/revenue-2026-11.csv"
    folders = {path.split("/")[-2] for path in turned.files if "/data/" in path}
    assert len(folders) == 2
    assert turned.state.ended == ()


def test_months_wait_to_be_closed_while_the_controls_say_so():
    state = replace(begin(7, START), next_hour=utc(2026, 11, 1))
    waiting, files = step(state, Controls(close_months=False), utc(2026, 11, 1))
    assert [str(file.path) for file in files] == [
        "revenue/revenue-2026-11.csv",
        "invoices/invoices-2026-10.csv",
        "rates/eurofxref-2026-10.csv",
    ]
    closed, files = step(waiting, Controls(), utc(2026, 11, 1, 1))
    assert closed.ended == ()
    assert [month.period for month in closed.months] == ["2026-10"]
    assert sum("Manifest" in file.path.name for file in files) == 2


def test_an_hour_without_delivery_writes_nothing():
    state = replace(begin(7, START), next_hour=utc(2026, 10, 1, 5))
    after, files = step(state, Controls(), utc(2026, 10, 1, 5))
    assert files == ()
    assert after == replace(state, next_hour=utc(2026, 10, 1, 6))


def test_hours_come_in_their_order():
    with pytest.raises(ValueError, match="next hour is 2026-10-01T00:00:00"):
        step(begin(7, START), Controls(), utc(2026, 10, 1, 1))
    with pytest.raises(ValueError, match="start of a month"):
        begin(7, utc(2026, 10, 2))


def egress(run: Simulated, hour: str) -> dict[str, Decimal]:
    """Outgoing bytes of one hour by resource."""
    found: dict[str, Decimal] = {}
    for row in run.rows("2026-10"):
        if row["line_item_usage_start_date"] == f"2026-10-01T{hour}:00:00.000Z" and row[
            "line_item_usage_type"
        ].endswith("DataTransfer-Out-Bytes"):
            found[row["line_item_resource_id"]] = Decimal(row["line_item_usage_amount"])
    return found


def test_controls_multiply_a_tenants_egress_from_their_hour_on_and_for_ever():
    calm = simulate(START, utc(2026, 10, 1, 12))
    *_, (morning, _) = run(begin(7, START), utc(2026, 10, 1, 6))
    wild = Controls(egress=(("pixelforge-studio", Decimal("3.5")),))
    storm = simulate(START, utc(2026, 10, 1, 12), state=morning, controls=wild)
    owners = {id_: about["tenant"] for id_, about in storm.truth["resources"].items()}
    assert egress(storm, "05") == egress(calm, "05")
    before, after = egress(calm, "06"), egress(storm, "06")
    for resource, amount in before.items():
        factor = Decimal("3.5") if owners[resource] == "pixelforge-studio" else 1
        assert abs(after[resource] - amount * factor) < Decimal("1e-9")
    assert storm.state.changes[0].hour == utc(2026, 10, 1, 6)
    assert len(storm.state.changes) == 1

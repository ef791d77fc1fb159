"""The company is believable: sums, shares, margins, and what its bill holds."""

from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal

import pytest

from simulator import company, lines
from simulator.revenue import invoices
from tests.simulator.deliveries import Rows, Simulated, simulate, utc

CLOSED = ("2026-02", "2026-03")
COLUMNS = (
    "line_item_unblended_cost", "line_item_line_item_type", "line_item_resource_id", "resource_tags",
    "bill_invoice_id", "line_item_product_code", "identity_time_interval", "line_item_usage_type",
    "line_item_usage_start_date", "line_item_usage_amount",
)  # fmt: skip


def read_correctly(row: dict[str, str], slugs: set[str]) -> bool:
    """Whether a line tells its tenant, found without the simulator's help."""
    return any(f'"user_tenant":"{slug}"' in row["resource_tags"].lower() for slug in slugs)


@pytest.fixture(scope="session")
def read(quarter: Simulated) -> dict[str, dict[str, object]]:
    """An independent reading of the CSV files: one pass over each month."""
    found: dict[str, dict[str, object]] = {}
    owners = {id_: about["tenant"] for id_, about in quarter.truth["resources"].items()}
    slugs = set(quarter.truth["tenants"])
    for period in quarter.truth["months"]:
        types: Counter[str] = Counter()
        owned: defaultdict[str, Decimal] = defaultdict(Decimal)
        signs, invoice_ids, taxes = defaultdict(set), set(), []
        total, positive, tagged = Decimal(0), Decimal(0), Decimal(0)
        known: dict[str, bool] = {}
        by_hour: defaultdict[int, Decimal] = defaultdict(Decimal)
        by_weekday: defaultdict[int, Decimal] = defaultdict(Decimal)
        for row in quarter.rows(period, *COLUMNS):
            if row["line_item_usage_type"] == "DataTransfer-Out-Bytes":
                start = date.fromisoformat(row["line_item_usage_start_date"][:10])
                amount = Decimal(row["line_item_usage_amount"])
                by_hour[int(row["line_item_usage_start_date"][11:13])] += amount
                by_weekday[start.weekday()] += amount
            cost = Decimal(row["line_item_unblended_cost"])
            kind = row["line_item_line_item_type"]
            types[kind] += 1
            total += cost
            owned[owners.get(row["line_item_resource_id"]) or "shared"] += cost
            signs[kind].add(cost > 0)
            invoice_ids.add(row["bill_invoice_id"])
            if kind in {"Usage", "SavingsPlanCoveredUsage"} and cost > 0:
                positive += cost
                if row["resource_tags"] not in known:
                    known[row["resource_tags"]] = read_correctly(row, slugs)
                tagged += cost if known[row["resource_tags"]] else 0
            if kind == "Tax":
                taxes.append((row["line_item_product_code"], cost, row["identity_time_interval"]))
        found[period] = {
            "types": types, "owned": owned, "signs": signs, "invoices": invoice_ids,
            "taxes": taxes, "total": total, "positive": positive, "tagged": tagged,
            "by_hour": by_hour, "by_weekday": by_weekday,
        }  # fmt: skip
    return found


def test_there_are_three_months_of_which_two_are_closed(quarter: Simulated):
    months = quarter.truth["months"]
    assert {period: about["closed"] for period, about in months.items()} == {
        "2026-02": True, "2026-03": True, "2026-04": False,
    }  # fmt: skip
    assert sorted(p for p in quarter.files if p.startswith("revenue/")) == [
        f"revenue/revenue-2026-{month:02d}.csv" for month in (2, 3, 4)
    ]


def test_the_truth_is_the_sum_of_the_files(quarter: Simulated, read):
    for period, about in quarter.truth["months"].items():
        seen = read[period]
        assert about["lines_by_type"] == dict(seen["types"])
        assert about["lines"] == sum(seen["types"].values())
        assert Decimal(about["unblended_sum"]) == seen["total"]
        assert Decimal(about["positive_usage_cost"]) == seen["positive"]
        assert Decimal(about["usage_cost_by_tagging"]["correct"]) == seen["tagged"]
        assert {name: Decimal(cost) for name, cost in about["cost_by_owner"].items()} == seen[
            "owned"
        ]


def test_about_sixty_per_cent_of_usage_cost_tells_its_tenant(read):
    for seen in read.values():
        assert Decimal("0.55") <= seen["tagged"] / seen["positive"] <= Decimal("0.65")


def test_a_fifth_of_usage_cost_is_the_platform(quarter: Simulated):
    for about in quarter.truth["months"].values():
        platform = Decimal(about["usage_cost_by_tagging"]["platform"])
        assert (
            Decimal("0.17") <= platform / Decimal(about["positive_usage_cost"]) <= Decimal("0.23")
        )


def test_every_type_of_line_is_there(read):
    always = {"Usage", "Credit", "Fee", "Tax", *PLAN_LINES}
    assert set(read["2026-02"]["types"]) == always
    assert set(read["2026-03"]["types"]) == always | {"Refund"}
    assert read["2026-03"]["types"]["Refund"] == 1


PLAN_LINES = {"SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee"}


def test_each_hour_of_the_savings_plan_adds_up(quarter: Simulated):
    hours: dict[str, dict[str, Decimal]] = {}
    for row in quarter.rows("2026-03"):
        kind = row["line_item_line_item_type"]
        if kind not in PLAN_LINES:
            continue
        hour = hours.setdefault(row["identity_time_interval"], defaultdict(Decimal))
        hour[kind] += Decimal(row["line_item_unblended_cost"])
        hour["taken"] += Decimal(row["savings_plan_savings_plan_effective_cost"])
        hour["used"] += Decimal(row["savings_plan_used_commitment"])
        hour["commitment"] += Decimal(row["savings_plan_total_commitment_to_date"])
    assert len(hours) == 31 * 24
    for hour in hours.values():
        assert hour["SavingsPlanCoveredUsage"] == -hour["SavingsPlanNegation"] > 0
        assert hour["SavingsPlanRecurringFee"] == hour["commitment"] == Decimal("3.2")
        assert 0 < hour["taken"] == hour["used"] <= hour["commitment"]
    left = sum(hour["commitment"] - hour["used"] for hour in hours.values())
    assert left > 0, "some of the commitment is used by nobody"


def test_credits_and_refunds_are_negative_and_the_rest_is_not(read):
    for seen in read.values():
        for kind in {"Credit", "Refund"} & set(seen["signs"]):
            assert seen["signs"][kind] == {False}
        assert seen["signs"]["Fee"] == {True}


def test_taxes_are_settled_when_the_month_is_closed(read):
    for period, seen in read.items():
        products = [product for product, _, _ in seen["taxes"]]
        assert len(products) == len(set(products)) == 10
        assert {when for _, _, when in seen["taxes"]} == {
            f"{period}-01T00:00:00Z/{period}-02T00:00:00Z"
        }
        settled = period in CLOSED
        assert all((cost > 0) is settled for _, cost, _ in seen["taxes"])
        assert all(cost == cost.quantize(Decimal("0.01")) for _, cost, _ in seen["taxes"])


def test_an_invoice_number_means_that_the_month_is_closed(read):
    for period, seen in read.items():
        (number,) = seen["invoices"]
        assert bool(number) is (period in CLOSED)


def test_a_full_month_costs_what_such_a_company_pays(read):
    assert all(60_000 <= read[period]["total"] <= 90_000 for period in CLOSED)


def recognised_revenue(quarter: Simulated, period: str) -> dict[str, Decimal]:
    """Revenue of one month by tenant, annual invoices by twelfths."""
    origin = quarter.state.origin
    month = utc(int(period[:4]), int(period[5:]), 1)
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for at in {origin, month}:
        for invoice in invoices(quarter.state.seed, origin, at):
            months = lines.months_between(
                utc(*invoice.service_start.timetuple()[:3]),
                utc(*invoice.service_end.timetuple()[:3]),
            )
            if invoice.service_start <= month.date() < invoice.service_end:
                found[invoice.tenant] += invoice.amount / months
    return found


def test_the_company_earns(quarter: Simulated, read):
    revenue = sum(sum(recognised_revenue(quarter, period).values()) for period in CLOSED)
    cost = sum(read[period]["total"] for period in CLOSED)
    assert Decimal("0.72") <= (revenue - cost) / revenue <= Decimal("0.76")


@pytest.mark.parametrize("period", CLOSED)
def test_a_few_tenants_are_thin_on_their_tagged_cost_alone(quarter: Simulated, period: str):
    revenue = recognised_revenue(quarter, period)
    assert set(revenue) == {tenant.slug for tenant in company.TENANTS}
    tagged = quarter.truth["months"][period]["tagged_cost_by_tenant"]
    thin = {
        slug
        for slug, amount in revenue.items()
        if (amount - Decimal(tagged.get(slug, "0"))) / amount < Decimal("0.70")
    }
    assert thin == {"clipstream-media", "pixelforge-studio", "terramap-geo", "streamnest-video"}


@pytest.mark.parametrize("seed", [0, 1, 2026])
def test_other_seeds_are_other_companies_of_the_same_kind(seed, days: Simulated):
    other = simulate(utc(2026, 10, 1), utc(2026, 10, 2), seed=seed)
    month = other.truth["months"]["2026-10"]
    share = Decimal(month["usage_cost_by_tagging"]["correct"]) / Decimal(
        month["positive_usage_cost"]
    )
    assert Decimal("0.55") <= share <= Decimal("0.65")
    assert not set(other.truth["resources"]) & set(days.truth["resources"])
    assert set(other.truth["accounts"].values()).isdisjoint(days.truth["accounts"].values())


def test_the_platform_never_names_a_tenant(days: Simulated, days_rows: Rows):
    platform = days.truth["accounts"]["platform"]
    rows = [row for row in days_rows if row["line_item_usage_account_id"] == platform]
    assert len(rows) > 1000
    assert not any("ten" in row["resource_tags"].replace("environment", "").lower() for row in rows)


def test_usage_follows_the_day_and_the_week(read):
    hours, weekdays = read["2026-02"]["by_hour"], read["2026-02"]["by_weekday"]  # four of each day
    assert min(hours[hour] for hour in range(14, 18)) > 2 * max(hours[hour] for hour in range(4, 7))
    assert min(weekdays[day] for day in range(5)) > Decimal("1.5") * max(weekdays[5], weekdays[6])


def test_the_company_grows_slowly(read):
    per_day = [
        read[period]["positive"] / days for period, days in (("2026-02", 28), ("2026-03", 31))
    ]
    assert 1 < per_day[1] / per_day[0] < Decimal("1.05")

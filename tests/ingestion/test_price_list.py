"""The price list: versions that are closed and kept, contracts before lists, no two prices on one day."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from finops import audit_triggers
from finops.models import SettingOverride
from ingestion.core.list_prices import LIST_PRICES
from ingestion.core.meters import AWS, CLOUDFLARE
from ingestion.core.price_rules import parse_tiers, price_text
from ingestion.core.pricing import Price, PriceError, Rounding, Tier
from ingestion.price_models import PriceListEntry
from ingestion.price_services import (
    PriceRefusedError,
    add_price,
    change_price,
    ensure_list_prices,
)
from ingestion.prices import edge_price_at, price_at, price_list

JANUARY, MARCH, JUNE = date(2026, 1, 1), date(2026, 3, 1), date(2026, 6, 1)
ACCOUNT = "023e105f"

CONTRACT = Price(
    provider=CLOUDFLARE,
    meter="worker_requests",
    account=ACCOUNT,
    unit="million requests",
    unit_size=10**6,
    unit_price=Decimal("0.20"),
    valid_from=MARCH,
    valid_until=JUNE,
    source="Contract 4711",
    source_read_on=MARCH,
)


def seed() -> None:
    ensure_list_prices(apps.get_app_config("ingestion"))


def rows(meter: str = "worker_requests", account: str = "") -> list[tuple[date, date | None, str]]:
    found = PriceListEntry.objects.filter(meter=meter, account=account).order_by("id")
    return [(row.valid_from, row.valid_until, f"{row.unit_price:f}") for row in found]


def listed(meter: str = "worker_requests") -> PriceListEntry:
    return PriceListEntry.objects.get(meter=meter, account="", valid_until__isnull=True)


def unit_price(account: str, day: date) -> Decimal | None:
    price = price_at(CLOUDFLARE, "worker_requests", account, day)
    return None if price is None else price.unit_price


# --- seeds -------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_list_price_is_there_after_migrating_as_it_was_written_down():
    found = {price.meter: replace(price, version=0) for price in price_list(date(2026, 11, 25))}
    assert found == {price.meter: price for price in LIST_PRICES}
    assert not PriceListEntry.objects.exclude(seeded=True).exists()


@pytest.mark.django_db(transaction=True)
def test_list_prices_outlive_a_flush():
    audit_triggers.remove(connection)  # the audit log refuses to be emptied
    call_command("flush", interactive=False, verbosity=0)
    assert PriceListEntry.objects.count() == len(LIST_PRICES)


@pytest.mark.django_db
def test_seeding_again_changes_nothing():
    before = list(PriceListEntry.objects.order_by("id").values())
    seed()
    assert list(PriceListEntry.objects.order_by("id").values()) == before


def test_seeding_never_overwrites_what_a_person_changed(erin, monkeypatch):
    change_price(
        entry_id=listed().pk,
        price=replace(CONTRACT, valid_from=JUNE, valid_until=None),
        reason="Negotiated for all accounts.",
        by=erin,
    )
    before = rows()
    newer = replace(LIST_PRICES[1], valid_from=date(2027, 1, 1), unit_price=Decimal("0.35"))
    monkeypatch.setattr("ingestion.price_services.LIST_PRICES", (*LIST_PRICES, newer))
    seed()
    assert rows() == before


@pytest.mark.django_db
def test_a_newer_list_price_of_a_release_closes_the_older_one(monkeypatch):
    newer = replace(LIST_PRICES[1], valid_from=date(2027, 1, 1), unit_price=Decimal("0.35"))
    assert newer.meter == "worker_requests"
    monkeypatch.setattr("ingestion.price_services.LIST_PRICES", (*LIST_PRICES, newer))
    seed()
    seed()
    assert [(start, until) for start, until, _ in rows()] == [
        (JANUARY, date(2027, 1, 1)),
        (date(2027, 1, 1), None),
    ]


# --- which price holds -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_contract_beats_the_list_price_for_its_account_and_its_days():
    add_price(price=CONTRACT, reason="Signed.", by=None)
    days = [MARCH - timedelta(1), MARCH, JUNE - timedelta(1), JUNE]
    prices = [unit_price(ACCOUNT, day) for day in days]
    assert prices == [Decimal(text) for text in ("0.3", "0.2", "0.2", "0.3")]
    assert unit_price("another", MARCH) == Decimal("0.3")
    assert unit_price("", MARCH) == Decimal("0.3")
    of_account = {price.meter: price.account for price in price_list(MARCH, ACCOUNT)}
    assert of_account["worker_requests"] == ACCOUNT
    assert of_account["worker_cpu_us"] == ""


@pytest.mark.django_db
def test_before_the_list_begins_there_is_no_price():
    assert unit_price("", JANUARY - timedelta(1)) is None
    assert price_list(JANUARY - timedelta(1)) == []


def test_bytes_at_the_edge_cost_nothing_until_a_setting_or_a_contract_says_so(acme):
    assert edge_price_at(ACCOUNT, MARCH).unit_price == 0
    name = "PRICING_EDGE_BYTES_PER_GB"
    SettingOverride.objects.create(name=name, tenant=acme, value="0.02", reason="Own zone.")
    assert edge_price_at(ACCOUNT, MARCH).unit_price == 0
    assert edge_price_at(ACCOUNT, MARCH, acme).unit_price == Decimal("0.02")
    contract = replace(
        CONTRACT, meter="edge_bytes", unit="GB", unit_size=10**9, unit_price=Decimal("0.01")
    )
    add_price(price=contract, reason="Signed.", by=None)
    assert edge_price_at(ACCOUNT, MARCH, acme).unit_price == Decimal("0.01")
    assert edge_price_at("another", MARCH, acme).unit_price == Decimal("0.02")


# --- changes -----------------------------------------------------------------------------------------


def test_a_change_closes_the_old_version_and_keeps_who_when_and_why(erin):
    old = listed()
    version = change_price(
        entry_id=old.pk,
        price=replace(CONTRACT, valid_from=JUNE, valid_until=None),
        reason="New page.",
        by=erin,
    )
    assert rows() == [(JANUARY, JUNE, "0.30000000"), (JUNE, None, "0.20000000")]
    assert (version.account, version.replaces, version.changed_by) == ("", old, erin)
    assert version.reason == "New page."
    assert version.changed_at is not None
    assert [unit_price("", day) for day in (JUNE - timedelta(1), JUNE)] == [
        Decimal("0.3"),
        Decimal("0.2"),
    ]


@pytest.mark.django_db
def test_a_correction_takes_all_days_and_the_mistake_can_still_be_read():
    wrong = add_price(price=CONTRACT, reason="Signed.", by=None)
    right = replace(CONTRACT, unit_price=Decimal("0.25"))
    change_price(entry_id=wrong.pk, price=right, reason="Typing error.", by=None)
    assert rows(account=ACCOUNT) == [(MARCH, MARCH, "0.20000000"), (MARCH, JUNE, "0.25000000")]
    assert unit_price(ACCOUNT, MARCH) == Decimal("0.25")
    with pytest.raises(PriceRefusedError, match="This version was replaced"):
        change_price(entry_id=wrong.pk, price=right, reason="Again.", by=None)


@pytest.mark.django_db
@pytest.mark.parametrize("until", [None, JUNE])
def test_the_end_that_was_stated_is_kept_when_a_version_is_closed_or_corrected(until):
    first = add_price(price=replace(CONTRACT, valid_until=until), reason="Signed.", by=None)
    april = date(2026, 4, 1)
    second = change_price(
        entry_id=first.pk,
        price=replace(CONTRACT, valid_from=april, valid_until=until),
        reason="Dearer.",
        by=None,
    )
    change_price(
        entry_id=second.pk,
        price=replace(CONTRACT, valid_from=april, valid_until=date(2026, 5, 1)),
        reason="A wrong end.",
        by=None,
    )
    kept = PriceListEntry.objects.filter(account=ACCOUNT).order_by("id")
    assert [(row.valid_until, row.stated_until) for row in kept] == [
        (april, until),
        (april, until),
        (date(2026, 5, 1), date(2026, 5, 1)),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("until", "sentence"),
    [
        (
            None,
            "The present version holds until further notice, and nothing would follow this change on "
            "2026-05-01: make it without an end, then make what holds from 2026-05-01 a change of its own.",
        ),
        (
            JUNE,
            "The present version holds until 2026-06-01, and nothing would follow this change on "
            "2026-05-01: make it with the end 2026-06-01, then make what holds from 2026-05-01 a change "
            "of its own.",
        ),
    ],
)
def test_a_change_after_which_nothing_would_hold_is_refused_and_says_what_to_do(until, sentence):
    first = add_price(price=replace(CONTRACT, valid_until=until), reason="Signed.", by=None)
    april, may = date(2026, 4, 1), date(2026, 5, 1)
    sooner = replace(CONTRACT, valid_from=april, valid_until=may, unit_price=Decimal("0.1"))
    with pytest.raises(PriceRefusedError) as refusal:
        change_price(entry_id=first.pk, price=sooner, reason="An offer.", by=None)
    assert refusal.value.problems == [("valid_until", sentence)]
    assert rows(account=ACCOUNT) == [(MARCH, until, "0.20000000")]
    offer = change_price(
        entry_id=first.pk, price=replace(sooner, valid_until=until), reason="An offer.", by=None
    )
    change_price(
        entry_id=offer.pk,
        price=replace(CONTRACT, valid_from=may, valid_until=until),
        reason="After the offer.",
        by=None,
    )
    prices = [unit_price(ACCOUNT, day) for day in (MARCH, april, may)]
    assert prices == [Decimal("0.2"), Decimal("0.1"), Decimal("0.2")]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("valid_from", "valid_until"),
    [(MARCH, JUNE), (JANUARY, date(2026, 3, 2)), (date(2026, 5, 31), None), (JANUARY, None)],
)
def test_two_prices_on_one_day_are_refused_with_the_one_that_is_in_the_way(valid_from, valid_until):
    add_price(price=CONTRACT, reason="Signed.", by=None)
    other = replace(CONTRACT, valid_from=valid_from, valid_until=valid_until)
    with pytest.raises(PriceRefusedError) as refusal:
        add_price(price=other, reason="Again.", by=None)
    assert str(refusal.value) == (
        "There is a price of “Invocations of Workers” for account 023e105f from 2026-03-01 "
        "until 2026-06-01 (0.2 USD per million requests): "
        "change that entry, or choose days without one."
    )
    assert len(rows(account=ACCOUNT)) == 1


@pytest.mark.django_db
def test_days_are_half_open_so_that_prices_may_touch():
    add_price(price=CONTRACT, reason="Signed.", by=None)
    add_price(
        price=replace(CONTRACT, valid_from=JUNE, valid_until=None), reason="Renewed.", by=None
    )
    add_price(
        price=replace(CONTRACT, valid_from=JANUARY, valid_until=MARCH), reason="Earlier.", by=None
    )
    assert len(rows(account=ACCOUNT)) == 3


@pytest.mark.django_db
def test_a_change_that_reaches_into_another_version_is_refused_and_nothing_is_closed():
    first = add_price(price=CONTRACT, reason="Signed.", by=None)
    add_price(
        price=replace(CONTRACT, valid_from=JUNE, valid_until=None), reason="Renewed.", by=None
    )
    with pytest.raises(PriceRefusedError, match="from 2026-06-01 on"):
        change_price(
            entry_id=first.pk, price=replace(CONTRACT, valid_until=None), reason="x", by=None
        )
    assert [until for _, until, _ in rows(account=ACCOUNT)] == [JUNE, None]


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_write_at_the_same_time_one_is_refused():
    """Their days overlap, no constraint of the table would notice, and the meter has no row to lock."""
    start = Barrier(2)
    contract = replace(CONTRACT, meter="edge_bytes")

    def write(first_day: date) -> str:
        start.wait()
        try:
            add_price(price=replace(contract, valid_from=first_day), reason="Signed.", by=None)
        except PriceRefusedError:
            return "refused"
        finally:
            connection.close()
        return "written"

    with ThreadPoolExecutor(2) as threads:
        ends = list(threads.map(write, [MARCH, date(2026, 4, 1)]))
    assert sorted(ends) == ["refused", "written"]
    assert len(rows("edge_bytes", ACCOUNT)) == 1


@pytest.mark.django_db
def test_the_database_itself_refuses_a_second_open_price_and_a_second_first_day():
    row = listed()
    for until in (None, JUNE):
        row.pk, row.valid_until = None, until
        with pytest.raises(IntegrityError), transaction.atomic():
            row.save(force_insert=True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("meter", {"provider": AWS}),
        ("currency", {"currency": "usd"}),
        ("unit_size", {"unit_size": 0}),
        ("unit_price", {"unit_price": Decimal("-1")}),
        ("included", {"included": Decimal("-1")}),
        ("tiers", {"tiers": (Tier(Decimal(5), Decimal(1)), Tier(Decimal(5), Decimal(2)))}),
        ("tiers", {"tiers": (Tier(Decimal(0), Decimal(1)),)}),
        ("tiers", {"tiers": (Tier(Decimal(5), Decimal(-1)),)}),
        ("unit_price", {"unit_price": Decimal("0.123456789")}),
        ("unit_price", {"unit_price": Decimal("1e12")}),
        ("unit_price", {"unit_price": Decimal("NaN")}),
        ("monthly_fee", {"monthly_fee": Decimal("5.000000001"), "valid_until": None}),
        ("included", {"included": Decimal("0.00001")}),
        ("unit_size", {"unit_size": 2**63}),
        ("tiers", {"tiers": (Tier(Decimal("0.00001"), Decimal(1)),)}),
        ("tiers", {"tiers": (Tier(Decimal(5), Decimal("0.123456789")),)}),
        ("tiers", {"tiers": (Tier(Decimal(5), Decimal("1e999999")),)}),
        ("source", {"source": " "}),
        ("valid_until", {"valid_until": MARCH}),
        ("valid_from", {"valid_from": date(2026, 3, 2), "included": Decimal(1)}),
        ("valid_until", {"valid_until": date(2026, 5, 2), "rounding": Rounding.UP}),
    ],
)
def test_a_price_that_makes_no_sense_is_refused_at_its_field(field, changes):
    with pytest.raises(PriceRefusedError) as refusal:
        add_price(price=replace(CONTRACT, **changes), reason="x", by=None)
    assert [name for name, _ in refusal.value.problems] == [field]
    assert rows(account=ACCOUNT) == []


@pytest.mark.django_db
def test_a_price_without_a_reason_is_refused():
    with pytest.raises(PriceRefusedError, match="Say why"):
        add_price(price=CONTRACT, reason=" ", by=None)


@pytest.mark.django_db
def test_a_plain_price_may_begin_on_any_day_but_not_cut_a_month_that_has_an_included_quantity():
    plain = replace(CONTRACT, valid_from=date(2026, 3, 9), valid_until=date(2026, 4, 7))
    add_price(price=plain, reason="A trial.", by=None)
    with pytest.raises(PriceRefusedError, match="would end within a month"):
        change_price(entry_id=listed().pk, price=plain, reason="x", by=None)
    assert rows() == [(JANUARY, None, "0.30000000")]


# --- as text -----------------------------------------------------------------------------------------


def test_tiers_are_read_line_by_line():
    text = "above 10240: 0.085\n\n  ABOVE 51200 : 0.07 "
    assert parse_tiers(text) == (
        Tier(Decimal(10240), Decimal("0.085")),
        Tier(Decimal(51200), Decimal("0.07")),
    )


@pytest.mark.parametrize("line", ["10240: 0.085", "above x: 1", "above 1: 0,085", "above 1 0.085"])
def test_a_line_that_is_no_tier_is_named(line):
    with pytest.raises(PriceError) as refusal:
        parse_tiers(f"above 1: 1\n{line}")
    assert str(refusal.value) == (f"Line 2, {line!r}, is no tier: write it as above 10240: 0.085.")


def test_a_price_reads_as_one_line():
    by_meter = {price.meter: price_text(price) for price in LIST_PRICES}
    assert by_meter["worker_requests"] == "0.3 USD per million requests after 10"
    assert by_meter["r2_class_a"] == "4.5 USD per million operations after 1, rounded up"
    assert by_meter["egress_bytes"] == (
        "0.09 USD per GB after 100, 0.085 above 10240, 0.07 above 51200, 0.05 above 153600"
    )

"""Counting tokens: each response once, in any order, through any way, with kills in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from finops import clock
from finops.models import Tenant
from ingestion.core.tsa import Aside, AssetsRecord, Status, digest_key
from ingestion.metered_registry import metered
from ingestion.models import Delivery, RejectedRow
from ingestion.tsa_models import TenantAssets, TsaDay, TsaHour, TsaLedger, TsaObject, TsaToken
from ingestion.tsa_services import forget_old, take_assets
from tests.ingestion.stamps import NOW, record, source, sums, take

pytestmark = pytest.mark.django_db

SAME = {"hash_algorithm": "sha256", "digest": bytes(32)}


def test_a_response_counts_once_whatever_source_it_comes_from():
    first = take(record(1), record(2))
    again = take(record(2), record(3), source=source("other"))
    assert (first.new, first.duplicates) == (2, 0)
    assert (again.new, again.duplicates) == (1, 1)
    assert sums() == sums(TsaHour) == {"acme": (3, 0, 0)}


def test_rejections_are_counted_apart():
    take(record(1), record(2, status=Status.REJECTION), record(3, status=Status.GRANTED_WITH_MODS))
    assert sums() == {"acme": (2, 1, 0)}


def test_the_first_token_in_time_of_a_digest_is_no_duplicate_whichever_came_first():
    take(record(5, **SAME))
    assert sums() == {"acme": (1, 0, 0)}
    take(record(1, **SAME))
    assert sums() == {"acme": (2, 0, 1)}
    flags = dict(TsaToken.objects.values_list("at", "is_duplicate"))
    assert flags == {record(1).at: False, record(5).at: True}


def test_one_digest_of_two_tenants_is_no_duplicate():
    take(record(1, **SAME), record(2, tenant="globex", **SAME))
    assert sums() == {"acme": (1, 0, 0), "globex": (1, 0, 0)}


def test_the_database_lets_no_second_first_token_of_a_digest_in():
    take(record(1, **SAME))
    with pytest.raises(IntegrityError), transaction.atomic():
        TsaToken.objects.create(
            identity=bytes(32),
            source=source(),
            at=NOW,
            status=0,
            digest=digest_key("acme", "sha256", bytes(32)),
        )


def test_what_was_nobodys_becomes_the_tenants_that_a_later_record_names():
    take(record(1, tenant="", **SAME), record(2, tenant="", **SAME))
    assert sums() == {"": (2, 0, 1)}
    take(record(1, **SAME))
    assert sums() == {"": (1, 0, 0), "acme": (1, 0, 0)}
    take(record(2, **SAME))
    assert sums() == sums(TsaHour) == {"acme": (2, 0, 1)}


def test_a_response_of_another_tenant_stays_where_it_was_counted():
    take(record(1))
    counted = take(record(1, tenant="globex"))
    assert "counted for the tenant 'acme'" in counted.refused[0][1]
    assert sums() == {"acme": (1, 0, 0)}


def test_another_time_for_the_same_response_is_refused():
    take(record(1))
    counted = take(replace(record(1), at=NOW))
    assert "another status or time" in counted.refused[0][1]
    assert sums() == {"acme": (1, 0, 0)}


def test_a_killed_batch_leaves_nothing():
    class Killed(BaseException):
        pass

    def killed() -> None:
        with transaction.atomic():
            take(record(1), objects=[b"x" * 16])
            raise Killed

    with pytest.raises(Killed):
        killed()
    assert (TsaToken.objects.count(), TsaObject.objects.count(), sums()) == (0, 0, {})
    take(record(1), objects=[b"x" * 16])
    assert sums() == {"acme": (1, 0, 0)}


def test_what_is_put_aside_is_kept_once_with_its_reason():
    aside = Aside("a.tsr", "a.tsr: it is empty.")
    take(asides=[aside])
    take(asides=[aside])
    row = RejectedRow.objects.get()
    assert (row.file, row.reason) == ("a.tsr", "a.tsr: it is empty.")
    assert Delivery.objects.get().rejected_rows == 1


def test_a_tenant_that_is_new_appears_or_its_token_is_nobodys():
    take(record(1))
    assert Tenant.objects.get().discovered
    take(record(2, tenant="initech"), discovers=False)
    assert sums() == {"acme": (1, 0, 0), "": (1, 0, 0)}


def test_an_identity_that_was_let_go_cannot_count_again(settings):
    settings.TSA_IDENTITY_DAYS = 30
    old = record(1, at=NOW - timedelta(days=40))
    take(old, record(2))
    assert forget_old(now=NOW) == 1
    assert sums() == {"acme": (2, 0, 0)}
    settings.TSA_IDENTITY_DAYS = 400  # too late: they are gone
    forget_old(now=NOW)
    counted = take(old)
    assert (counted.new, len(counted.refused)) == (0, 1)
    assert "kept from 2026-03-31" in RejectedRow.objects.get().reason
    assert sums() == {"acme": (2, 0, 0)}
    assert TsaLedger.objects.count() == 1


def test_assets_hold_from_their_day_and_the_last_word_counts():
    day = NOW.date()

    def say(assets: int) -> tuple[int, int]:
        return take_assets(
            source=source(), records=[AssetsRecord("acme", day, assets)], asides=(), now=NOW
        )

    assert [say(5), say(5), say(7)] == [(1, 0), (0, 1), (1, 0)]
    assert TenantAssets.objects.get().assets == 7


def test_what_only_a_response_tells_is_kept_also_where_a_record_came_before_it():
    first, second = record(1), record(2)
    take(first)
    take(*(replace(one, serial=b"\x01\x2c", policy="1.2.3.4") for one in (first, second)))
    rows = TsaToken.objects.values_list("serial", "policy__oid")
    assert [(bytes(serial or b""), policy) for serial, policy in rows] == [
        (b"\x01\x2c", "1.2.3.4")
    ] * 2
    assert sums() == {"acme": (2, 0, 0)}


def test_tokens_are_metered_by_hour_and_tenant(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    take(record(1), record(2), record(70), record(3, tenant=""), record(4, status=Status.REJECTION))
    start = datetime(2026, 4, 28, tzinfo=UTC)
    span = metered()["tsa"].read(start, start + timedelta(days=1))
    found = [(hour.hour.hour, int(hour.quantity), dict(hour.tags)) for hour in span.hours]
    assert found == [(8, 1, {}), (8, 2, {"tenant": "acme"}), (9, 1, {"tenant": "acme"})]
    assert span.complete_through == start + timedelta(hours=10)


@pytest.mark.parametrize(
    ("minutes", "hours"), [(9 * 60 + 59, 9), (10 * 60 + 9, 9), (10 * 60 + 10, 10)]
)
def test_the_last_hour_with_tokens_is_whole_ten_minutes_after_its_end(
    monkeypatch, minutes: int, hours: int
):
    take(record(1), record(70))
    start = datetime(2026, 4, 28, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(minutes=minutes))
    span = metered()["tsa"].read(start, start + timedelta(days=1))
    assert span.complete_through == start + timedelta(hours=hours)


@pytest.mark.parametrize(("day", "through"), [(2, (4, 28, 10)), (3, (5, 1, 0))])
def test_a_month_that_is_over_for_two_days_is_whole_although_no_token_came(
    monkeypatch, day: int, through: tuple[int, int, int]
):
    take(record(1), record(70))
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 5, day, 1, tzinfo=UTC))
    span = metered()["tsa"].read(NOW, NOW)
    assert span.complete_through == datetime(2026, *through, tzinfo=UTC)


class TestAnyOrder(TestCase):
    @given(st.randoms(use_true_random=False), st.integers(1, 4))
    def test_any_order_and_any_number_of_times_give_the_same_sums(self, random: Random, parts: int):
        digests = [bytes([n % 3]) * 32 for n in range(12)]
        records = [
            record(
                n,
                tenant=("acme", "globex", "")[n % 3 if n % 4 else 2],
                status=Status.REJECTION if n % 5 == 4 else Status.GRANTED,
                hash_algorithm="sha256",
                digest=digests[n],
            )
            for n in range(12)
        ]
        # Some are told twice: once without a tenant.
        told = [*records, *(replace(one, tenant="") for one in records[::2]), *records[:3]]
        TsaToken.objects.all().delete()
        TsaHour.objects.all().delete()
        TsaDay.objects.all().delete()
        take(*records)
        wanted, flags = sums(), _flags()
        TsaToken.objects.all().delete()
        TsaHour.objects.all().delete()
        TsaDay.objects.all().delete()
        random.shuffle(told)
        for start in range(parts):
            take(*told[start::parts])
        assert sums() == sums(TsaHour) == wanted
        assert _flags() == flags


def _flags() -> dict[bytes, bool]:
    return {bytes(row.identity): row.is_duplicate for row in TsaToken.objects.all()}

"""An amount of a whole period over the days and owners that used its meter."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.core.amounts import exact_sum
from ingestion.core.metered import MeteredHour, MeteredSpan
from ingestion.origin_models import HostOrigin
from ingestion.spreading import SpreadPart, spread
from tests.log_objects import START, request, take, write

NOON = datetime(2026, 4, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class _Usage:
    id = "usage"
    meters = ("worker_requests",)

    def __init__(self, *hours: MeteredHour) -> None:
        self._hours = hours

    def read(self, start: datetime, end: datetime) -> MeteredSpan:
        hours = [hour for hour in self._hours if start <= hour.hour < end]
        return MeteredSpan(hours, end)


def _used(monkeypatch: pytest.MonkeyPatch, *hours: MeteredHour) -> None:
    monkeypatch.setattr("ingestion.spreading.metered", lambda: {"usage": _Usage(*hours)})


def _hour(quantity: int, *, hours: int = 0, script: str = "a", account: str = "") -> MeteredHour:
    moment = NOON + timedelta(hours=hours)
    return MeteredHour(
        moment, "worker_requests", Decimal(quantity), account, tags={"script": script}
    )


def _spread(amount: str, **changed: object) -> list[SpreadPart]:
    period: dict[str, object] = {"start": NOON - DAY, "end": NOON + 2 * DAY}
    return spread(amount=Decimal(amount), meter="worker_requests", **{**period, **changed})  # type: ignore[arg-type]


def test_an_amount_falls_on_days_and_tags_by_their_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    _used(
        monkeypatch, _hour(1), _hour(2, hours=1), _hour(3, hours=13), _hour(4, hours=14, script="b")
    )
    midnight = NOON.replace(hour=0)
    assert [
        (part.start, dict(part.tags), part.quantity, part.amount) for part in _spread("10")
    ] == [
        (midnight, {"script": "a"}, Decimal(3), Decimal(3)),
        (midnight + DAY, {"script": "a"}, Decimal(3), Decimal(3)),
        (midnight + DAY, {"script": "b"}, Decimal(4), Decimal(4)),
    ]


def test_a_days_part_is_cut_to_the_period(monkeypatch: pytest.MonkeyPatch) -> None:
    _used(monkeypatch, _hour(1))
    (part,) = _spread("1", start=NOON, end=NOON + timedelta(hours=3))
    assert (part.start, part.end) == (NOON, NOON + timedelta(hours=3))


def test_usage_of_another_account_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    _used(
        monkeypatch, _hour(1, account="x"), _hour(1, account="y", script="b"), _hour(1, script="c")
    )
    assert {part.tags["script"] for part in _spread("9", account="y")} == {"b", "c"}
    assert {part.tags["script"] for part in _spread("9")} == {"a", "b", "c"}


def test_nothing_metered_is_no_part_and_usage_of_zero_neither(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _used(monkeypatch)
    assert _spread("10") == []
    _used(monkeypatch, _hour(0))
    assert _spread("10") == []


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot end at 2026-04-20 12:00"):
        _spread("1", start=NOON, end=NOON)


@given(
    st.decimals("-1e9", "1e9", places=18, allow_nan=False),
    st.lists(st.integers(0, 10**15), min_size=1, max_size=30),
)
def test_parts_sum_to_the_amount_to_the_last_digit(amount: Decimal, used: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _used(patch, *(_hour(each, hours=at, script=f"{at}") for at, each in enumerate(used)))
        parts = _spread(str(amount))
    assert exact_sum(part.amount for part in parts) == (amount if any(used) else 0)
    assert all(part.quantity > 0 for part in parts)


@pytest.mark.django_db
def test_bytes_of_a_log_are_under_the_meter_of_their_origin(tmp_path: Path) -> None:
    HostOrigin.objects.create(pattern="*.example.com", kind="aws", account="111122223333")
    HostOrigin.objects.create(pattern="media.example.com", kind="r2")
    missed: dict[str, Any] = {
        "CacheCacheStatus": "miss",
        "OriginResponseStatus": 200,
        "CacheResponseBytes": 700,
    }
    write(
        tmp_path,
        "20260420/20260420T100000Z_20260420T120000Z_aaaa0001.log.gz",
        request(1, **missed),
        request(2),
        request(3, ClientRequestHost="media.example.com", **missed),
        request(4, ClientRequestHost="elsewhere.example.net", **missed),
        request(5, seconds=7200),
    )
    take(tmp_path)
    for meter, account, expected in (
        ("egress_bytes", "", {"acme.assets.example.com": 700}),
        ("egress_bytes", "111122223333", {"acme.assets.example.com": 700}),
        ("egress_bytes", "444455556666", {}),
        ("r2_egress_bytes", "", {"media.example.com": 700}),
        (
            "edge_bytes",
            "",
            {
                "acme.assets.example.com": 2000,
                "media.example.com": 1000,
                "elsewhere.example.net": 1000,
            },
        ),
    ):
        parts = spread(
            amount=Decimal(1), meter=meter, start=START - DAY, end=START + DAY, account=account
        )
        assert {part.tags["host"]: part.quantity for part in parts} == expected

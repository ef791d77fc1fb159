"""The simulated Logpush job: seeded, late and doubled as in life, and every request of an hour in it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import timedelta
from typing import Any

from simulator import logpush
from simulator.company import TENANTS
from simulator.step import Controls
from tests.simulator.deliveries import simulate, utc

START, NOON = utc(2026, 10, 1), utc(2026, 10, 1, 12)


def lines(files: dict[str, bytes]) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path, body in files.items()
        if path.endswith(".log.gz")
        for line in gzip.decompress(body).splitlines()
    ]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = (
        logpush.hour_files(seed, START, NOON, first=START, egress={}) for seed in (7, 7, 8)
    )
    assert first == again
    assert {file.path for file in first} != {file.path for file in other}


def test_every_request_comes_and_some_come_late_or_twice():
    day = simulate(START, utc(2026, 10, 2), controls=Controls(logs_from=START))
    found = lines(day.files)
    rays = Counter(line["RayID"] for line in found)
    wanted = {
        request.ray
        for hour in range(24)
        for request in logpush.requests(7, START, START + timedelta(hours=hour), {})
    }
    last = {request.ray for request in logpush.requests(7, START, utc(2026, 10, 1, 23), {})}
    assert wanted - last <= set(rays) <= wanted
    assert 0 < len(wanted - set(rays)) < len(last) / 10, (
        "late ones of the last hour are still to come"
    )
    assert 0 < sum(count > 1 for count in rays.values()) < len(rays) / 4
    assert sum("ownership-challenge" in path for path in day.files) == 1


def test_every_tenant_has_a_host_and_workers_have_subrequests():
    found = list(logpush.requests(7, START, NOON, {}))
    assert {request.host.split(".")[0] for request in found} == {tenant.slug for tenant in TENANTS}
    parents = {request.ray for request in found if request.script}
    assert parents
    assert parents == {request.parent for request in found if request.parent != "00"}
    assert {request.status for request in found if request.script} == {"unknown"}


def test_more_egress_makes_larger_responses():
    calm, wild = (
        sum(
            request.edge_bytes
            for request in logpush.requests(7, START, NOON, egress)
            if request.tenant == "pixelforge-studio"
        )
        for egress in ({}, {"pixelforge-studio": 3000})
    )
    assert 2.9 < wild / calm < 3.1


def test_origins_send_what_the_bill_charges_for():
    found = list(logpush.requests(7, START, NOON, {"acme-corp": 2000}))
    for tenant in TENANTS:
        factor = 2000 if tenant.slug == "acme-corp" else 1000
        billed = logpush.billed_bytes(7, START, NOON, tenant, factor)
        logged = sum(
            request.cache_bytes
            for request in found
            if request.tenant == tenant.slug and request.origin_status not in (0, 304)
        )
        if billed is not None:
            assert logged == billed // logpush.SAMPLED

"""The engine beside other threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

from finops.engine import connect, cursors


def test_cursors_tell_the_time_as_their_engine_does(settings, tmp_path, monkeypatch):
    settings.LAKE_DIR = tmp_path
    monkeypatch.setenv("TZ", "America/New_York")
    with connect() as engine, cursors(engine, 1) as (one,):
        assert one.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_whatever_ends_the_block_ends_the_statements_of_other_threads(settings, tmp_path):
    settings.LAKE_DIR = tmp_path
    long = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    running = []

    def stopped_at_work(engine, pool):
        with cursors(engine, 1) as (one,):
            running.append(pool.submit(one.execute, long))
            time.sleep(0.2)
            raise KeyboardInterrupt

    with connect() as engine, ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        stopped_at_work(engine, pool)
    assert isinstance(running[0].exception(), duckdb.InterruptException)

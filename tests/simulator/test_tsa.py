"""The simulated stamping service: records and responses that add up, the same for the same seed."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

from ingestion.core.tsa import Status
from ingestion.core.tsr import read_response
from simulator import tsa

SEED = 7
DAY = datetime(2026, 10, 6, tzinfo=UTC)
ORIGIN = datetime(2026, 10, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def files(archive_from: datetime | None, start: datetime = DAY) -> dict[str, bytes]:
    return {
        str(file.path): file.content
        for hour in range(24)
        for file in tsa.hour_files(
            SEED, ORIGIN, start + timedelta(hours=hour), archive_from=archive_from
        )
    }


def records(found: dict[str, bytes]) -> list[dict[str, str]]:
    text = next(content for path, content in found.items() if "/tokens-" in path)
    return [json.loads(line) for line in text.splitlines()]


def test_the_same_seed_gives_the_same_bytes():
    assert files(DAY) == files(DAY)


def test_every_stamp_is_in_the_records_or_a_response_and_in_one_of_them_only():
    every = list(tsa.stamps(SEED, ORIGIN, DAY))
    assert len(records(files(None))) == len(every)
    found = files(DAY)
    responses = [
        path
        for path in found
        if path.endswith(".tsr") and not path.rsplit("/", 1)[1].startswith("copy")
    ]
    assert len(records(found)) + len(responses) == len(every)
    archived = Counter(stamp.tenant for stamp in every if stamp.tenant in tsa.ARCHIVED)
    assert sum(archived.values()) == len(responses) > 50
    assert not {record["tenant"] for record in records(found)} & set(tsa.ARCHIVED)


def test_responses_are_what_a_parser_of_rfc_3161_reads():
    statuses = Counter(
        read_response(content, now=LATER).status
        for start in (DAY, DAY + timedelta(days=1), DAY + timedelta(days=2))
        for path, content in files(start, start).items()
        if path.endswith(".tsr")
    )
    assert statuses[Status.GRANTED] > 100
    assert statuses[Status.REJECTION]
    assert set(statuses) <= {Status.GRANTED, Status.GRANTED_WITH_MODS, Status.REJECTION}


def test_a_month_begins_with_numbers_of_assets():
    first = files(None, ORIGIN)
    lines = first["tsa/records/assets-2026-10.ndjson"].splitlines()
    assert len(lines) == len({json.loads(line)["tenant"] for line in lines}) == 24

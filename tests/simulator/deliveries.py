"""What the tests of the simulator share: a run's files by path, and the rows of a delivery."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from simulator.step import Controls, State, begin, run

Rows = list[dict[str, str]]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@dataclass(frozen=True)
class Simulated:
    """A run: its last state and its files in the order they came (a later one replaces)."""

    state: State
    files: dict[str, bytes]
    order: list[str]

    @property
    def truth(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files["truth/truth.json"])
        return found

    def manifest(self, period: str) -> dict[str, Any]:
        """The latest manifest of a month."""
        root = "aws/finops-billing/cur/saas-hourly/metadata"
        path = f"{root}/BILLING_PERIOD={period}/saas-hourly-Manifest.json"
        found: dict[str, Any] = json.loads(self.files[path])
        return found

    def chunks(self, period: str) -> list[bytes]:
        """The latest delivery's chunks, uncompressed."""
        prefix = "s3://"
        return [
            gzip.decompress(self.files["aws/" + uri.removeprefix(prefix)])
            for uri in self.manifest(period)["dataFiles"]
        ]

    def rows(self, period: str, *columns: str) -> Iterator[dict[str, str]]:
        """The latest delivery's rows: all cells, or those of ``columns`` (much faster)."""
        for chunk in self.chunks(period):
            lines = csv.reader(io.StringIO(chunk.decode(), newline=""))
            header = next(lines)
            names = columns or tuple(header)
            places = [header.index(name) for name in names]
            for cells in lines:
                assert len(cells) == len(header)
                yield {name: cells[place] for name, place in zip(names, places, strict=True)}


def simulate(
    origin: datetime,
    until: datetime,
    *,
    seed: int = 7,
    state: State | None = None,
    controls: Controls | None = None,
) -> Simulated:
    files: dict[str, bytes] = {}
    order: list[str] = []
    last = state or begin(seed, origin)
    for after, written in run(last, until, controls):
        last = after
        for file in written:
            assert isinstance(file.path, PurePosixPath)
            files[str(file.path)] = file.content
            order.append(str(file.path))
    return Simulated(last, files, order)

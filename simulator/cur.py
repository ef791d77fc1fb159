"""One CUR 2.0 delivery in create-new mode: its keys, its compressed chunks and its manifest.

Layout: AWS Data Exports, "Understanding export delivery"; the manifest has exactly the four keys of
a real one. Paths are relative to the bucket's folder.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from simulator import company, seeded
from simulator.columns import COLUMNS, HEADER
from simulator.resources import World

EXPORT_ROOT = PurePosixPath("cur") / company.EXPORT
LOCAL_ROOT = PurePosixPath("aws") / company.BUCKET
_GZIP = 31  # zlib's window bits for a gzip frame; the frame's time is 0, so bytes are repeatable
_LEVEL = 1


@dataclass(frozen=True)
class SimulatedFile:
    """One file that a vendor delivers; ``path`` is relative to the folder of all vendors."""

    path: PurePosixPath
    content: bytes


@dataclass(frozen=True)
class Execution:
    """One run of the export: its period ``YYYY-MM``, its id and the moment it began (UTC)."""

    period: str
    id: str
    began: datetime

    @property
    def folder(self) -> str:
        """The name of the run's folder, ``2026-04-16T15:24:15.653Z-<uuid>``."""
        return f"{self.began:%Y-%m-%dT%H:%M:%S}.{self.began.microsecond // 1000:03d}Z-{self.id}"


def chunk_key(execution: Execution, number: int) -> PurePosixPath:
    """The bucket key of chunk ``number``, counted from 1."""
    period = f"BILLING_PERIOD={execution.period}"
    name = f"{company.EXPORT}-{number:05d}.csv.gz"
    return EXPORT_ROOT / "data" / period / execution.folder / name


def manifest_keys(execution: Execution) -> tuple[PurePosixPath, PurePosixPath]:
    """The manifest's two copies: the run's own, then the period's latest."""
    period = EXPORT_ROOT / "metadata" / f"BILLING_PERIOD={execution.period}"
    name = f"{company.EXPORT}-Manifest.json"
    return period / execution.folder / name, period / name


def chunk_files(
    execution: Execution, blocks: Iterable[list[str]], chunk_lines: int
) -> Iterator[SimulatedFile]:
    """Rows as compressed chunks of at most ``chunk_lines`` rows, each with the header."""
    number = 0
    waiting: list[str] = []
    for block in blocks:
        waiting += block
        while len(waiting) > chunk_lines:
            number += 1
            yield _chunk(execution, number, waiting[:chunk_lines])
            del waiting[:chunk_lines]
    yield _chunk(execution, number + 1, waiting)


def manifest_files(world: World, execution: Execution, chunks: int) -> tuple[SimulatedFile, ...]:
    """Both copies of the manifest of ``chunks`` chunks."""
    account = world.account_id(company.PAYER)
    export = seeded.uuid_text(world.seed, "export")
    manifest = {
        "executionId": execution.id,
        "exportArn": f"arn:aws:bcm-data-exports:us-east-1:{account}:export/{company.EXPORT}-{export}",
        "columns": [{"name": name, "type": kind} for name, kind in COLUMNS],
        "dataFiles": [
            f"s3://{company.BUCKET}/{chunk_key(execution, number)}"
            for number in range(1, chunks + 1)
        ],
    }
    content = json.dumps(manifest).encode()
    return tuple(SimulatedFile(LOCAL_ROOT / key, content) for key in manifest_keys(execution))


def _chunk(execution: Execution, number: int, rows: list[str]) -> SimulatedFile:
    gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    content = gzip.compress((HEADER + "".join(rows)).encode()) + gzip.flush()
    return SimulatedFile(LOCAL_ROOT / chunk_key(execution, number), content)

"""What sources of plain CSV files share: each file of a folder is a delivery, its text is read once."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from pathlib import PurePosixPath
from typing import TypeVar

from finops.logs import redact
from ingestion.core.csv_sieve import bounded_lines
from ingestion.core.delivery import (
    DeliveryRef,
    Discovery,
    Problem,
    Reject,
    SourceError,
    SourceFile,
)
from ingestion.locations.base import Location
from ingestion.verify import FileFacts, open_unpacked

_Read = TypeVar("_Read")


def discover_csv(
    location: Location, period: date | None, *, kind: str, name: str, what: str
) -> Discovery:
    """Each ``*.csv`` (or ``.csv.gz``) directly at ``location``; ``what`` names them in a sentence."""
    if period:
        return Discovery((), (Problem(f"{what} have no billing period: leave --period out."),))
    files = [
        entry for entry in location.entries(deep=False) if entry.key.endswith((".csv", ".csv.gz"))
    ]
    if not files:
        return Discovery((), (Problem(f"{location.text}: no .csv file is there."),))
    return Discovery(
        tuple(
            DeliveryRef(
                kind=kind,
                identity=kind,
                source_slug=kind.replace("_", "-"),
                source_name=name,
                key=PurePosixPath(entry.key).name,
                execution_id="",
                delivered_at=None,
                billing_period=None,
                manifest=None,
                files=(
                    SourceFile(
                        PurePosixPath(entry.key).name,
                        place=entry.key,
                        size=entry.size,
                        mark=entry.mark,
                    ),
                ),
            )
            for entry in files
        ),
        (),
    )


def refuse_empty(ref: DeliveryRef, facts: dict[str, FileFacts]) -> None:
    """Raise ``SourceError`` for a file without a byte."""
    for file in ref.files:
        if not facts[file.key].header:
            msg = f"{file.key}: the file is empty."
            raise SourceError(msg)


def read_text(ref: DeliveryRef, read: Callable[[Iterable[str], str], _Read]) -> _Read:
    """``read`` over the lines of the delivery's file. Raises ``SourceError`` for what is no UTF-8 or no CSV."""
    file = ref.files[0]
    with (
        open_unpacked(file.path) as raw,
        io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n") as stream,
    ):
        try:
            return read(bounded_lines(stream), file.key)
        except UnicodeDecodeError:
            msg = f"{file.key}: the file is not UTF-8."
            raise SourceError(msg) from None
        except csv.Error as error:
            msg = f"{file.key}: the file is not CSV ({error})."
            raise SourceError(msg) from None


def redacted(rejects: Iterable[Reject]) -> tuple[Reject, ...]:
    """``rejects`` without secrets, and no longer than their columns."""
    return tuple(
        replace(reject, reason=redact(reject.reason)[:300], text=redact(reject.text)[:500])
        for reject in rejects
    )

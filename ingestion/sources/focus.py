"""FOCUS, the common format of bills: versions 1.0 to 1.4, CSV and Parquet, from whichever vendor writes it.

Source: FinOps Open Cost and Usage Specification, dataset "Cost and Usage". Two layouts are read:

* AWS Data Exports (``FOCUS_1_0_AWS``, ``FOCUS_1_2_AWS``): a manifest names each month's files;
* plain files without a manifest: all files of a folder together are what one vendor delivers. Their rows say
  which month they are of, and all files that hold rows of a month are that month's delivery.

Columns: ``ingestion.core.focus_columns``; statements: ``ingestion.core.focus_sql``.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.core.cache import cache
from django.utils.text import slugify

from finops.core.periods import PeriodError, parse_month
from ingestion.core import aws_cur_layout as layout
from ingestion.core import focus_columns as focus
from ingestion.core.delivery import (
    ChargeReading,
    DeliveryRef,
    Discovery,
    Problem,
    SourceError,
    SourceFile,
)
from ingestion.focus_reader import FocusReader, months_of
from ingestion.locations.base import Entry, Location, SourceUnavailableError
from ingestion.progress import Progress
from ingestion.sources.aws_cur import AwsCur
from ingestion.verify import FileFacts, inspect

_READABLE = (".csv", ".csv.gz", ".parquet")
_MAX_MANIFEST_BYTES = 20_000_000
_REMEMBERED_SECONDS = 30 * 24 * 3600
_OTHER_DATASET = "other"


class Focus:
    """Reads FOCUS files."""

    id = "focus"
    title = "FOCUS"
    service_provider_name = ""
    produces = "charges"

    def discover(self, location: Location, period: date | None) -> Discovery:
        """The deliveries of each month at or below ``location``."""
        entries = {entry.key: entry for entry in location.entries()}
        exported, problems = _exports(location, entries, period)
        plain, more = _plain(location, entries, period)
        problems += more
        if not exported and not plain and not problems:
            what = f" of {period:%Y-%m}" if period else ""
            problems.append(
                Problem(
                    f"{location.text}: no FOCUS file{what} is there. Files end in .csv, .csv.gz or .parquet "
                    f"and have the columns {focus.COST}, {focus.PERIOD} and {focus.CATEGORY}."
                )
            )
        return Discovery((*exported, *plain), tuple(problems))

    def inspect(self, file: SourceFile, advance: Callable[[int], None]) -> FileFacts:
        """Digest and header; the bytes are checked by the reader, as it reads them."""
        return inspect(file, advance)

    def check(self, ref: DeliveryRef, facts: dict[str, FileFacts]) -> None:
        """Refuse a delivery one of whose files is not FOCUS. Raises ``SourceError``."""
        for file in ref.files:
            if not facts[file.key].is_empty:
                _check_header(file.key, facts[file.key])

    def read_charges(
        self, ref: DeliveryRef, facts: dict[str, FileFacts], folder: Path, progress: Progress
    ) -> ChargeReading:
        """Write the delivery's charge lines into ``folder`` and say what was read."""
        return FocusReader(ref, facts, folder, progress).read()


def _check_header(key: str, facts: FileFacts) -> None:
    problem = focus.header_problem(facts.header)
    if problem:
        msg = (
            f"{key}: the first line {problem}, so this is not a FOCUS file of charges. "
            "Check the export's columns."
        )
        raise SourceError(msg)


# --- exports of AWS ----------------------------------------------------------------------------------


def _exports(
    location: Location, entries: Mapping[str, Entry], period: date | None
) -> tuple[list[DeliveryRef], list[Problem]]:
    """Deliveries with a manifest whose columns are those of FOCUS; a CUR beside them is not ours."""
    if not any(layout.parse_manifest_path(key) for key in entries):
        return [], []
    found = AwsCur().discover(location, period)
    ours = []
    for ref in found.deliveries:
        manifest = ref.manifest
        if manifest and focus.COST in _columns(location, entries[manifest.place]):
            where = layout.parse_manifest_path(manifest.place)
            name = where.export if where else ref.source_slug
            ours.append(
                replace(
                    ref,
                    kind=Focus.id,
                    source_slug=slugify(f"focus-{name}")[:60],
                    source_name=f"FOCUS export ({name})",
                )
            )
    return ours, list(found.problems)


def _columns(location: Location, entry: Entry) -> set[str]:
    try:
        columns = json.loads(location.read(entry, _MAX_MANIFEST_BYTES)).get("columns") or []
        return {str(column.get("name")) for column in columns}
    except (ValueError, AttributeError):
        return set()


# --- plain files -------------------------------------------------------------------------------------


def _plain(
    location: Location, entries: Mapping[str, Entry], period: date | None
) -> tuple[list[DeliveryRef], list[Problem]]:
    """One delivery for each month that the files without a manifest hold.

    A file that cannot be read may hold rows of any month: until it is mended, nothing of the folder is loaded,
    because a month without them would be too small.
    """
    exports = {
        f"{where.export_dir}/data/" if where.export_dir else "data/"
        for where in map(layout.parse_manifest_path, entries)
        if where
    }
    months: dict[date, list[SourceFile]] = defaultdict(list)
    problems = []
    damaged = False
    for key, entry in entries.items():
        name = PurePosixPath(key).name
        if not key.endswith(_READABLE) or name.startswith(".") or key.startswith(tuple(exports)):
            continue
        try:
            found = _months(location, entry)
        except SourceUnavailableError:
            raise
        except SourceError as error:
            damaged = True
            problems.append(Problem(str(error)))
            continue
        if found is None:
            problems.append(Problem(f"{key}: this is no FOCUS file of charges; it is passed over."))
            continue
        file = SourceFile(key, place=key, size=entry.size, mark=entry.mark)
        for month in found:
            months[month].append(file)
    if damaged:
        problems.append(
            Problem(
                f"{location.text}: nothing is loaded from here until every file can be read, "
                "because a month could lack its lines."
            )
        )
        return [], problems
    refs = [
        _of_month(location, month, files)
        for month, files in sorted(months.items())
        if period in {None, month}
    ]
    return refs, problems


def _of_month(location: Location, month: date, files: list[SourceFile]) -> DeliveryRef:
    name = _folder_name(location)
    key = files[0].key if len(files) == 1 else f"{name}, {len(files)} files of {month:%Y-%m}"
    marks = "\n".join(f"{file.key}\0{file.mark}" for file in files)
    return DeliveryRef(
        kind=Focus.id,
        identity=f"folder {location.text.rstrip('/')}"[:300],
        source_slug=slugify(f"focus-{name}")[:60],
        source_name=f"FOCUS ({name})",
        key=key[:400],
        execution_id="",
        delivered_at=None,
        billing_period=month,
        manifest=None,
        files=tuple(files),
        mark=hashlib.sha256(marks.encode()).hexdigest(),
    )


def _folder_name(location: Location) -> str:
    """The folder's own name, which the source's name begins with; its identity is the whole place."""
    place = PurePosixPath(location.text.rstrip("/"))
    if place.name.endswith(_READABLE):
        place = place.parent
    return place.name or "files"


def _months(location: Location, entry: Entry) -> tuple[date, ...] | None:
    """The months of a file, ``None`` where it is of another dataset; a file is read once per mark.

    Raises ``SourceError``.
    """
    digest = hashlib.sha256(f"{location.text}\0{entry.key}\0{entry.mark}".encode()).hexdigest()
    known = cache.get(f"focus-months-{digest}")
    if known is None:
        known = _read_months(location, entry)
        cache.set(f"focus-months-{digest}", known, _REMEMBERED_SECONDS)
    try:
        return None if known == _OTHER_DATASET else tuple(map(parse_month, known.split()))
    except PeriodError as error:
        raise SourceError(str(error)) from None


def _read_months(location: Location, entry: Entry) -> str:
    with location.held(entry, lambda _: None) as path:
        file = SourceFile(entry.key, path=path)
        facts = inspect(file)
        if facts.is_empty:
            return ""
        if not focus.is_charges(facts.header):
            if separator := focus.other_separator(facts.header):
                msg = (
                    f"{entry.key}, line 1: the columns are separated by {separator!r}, and FOCUS files by "
                    "commas. Export it again, separated by commas."
                )
                raise SourceError(msg)
            return _OTHER_DATASET
        _check_header(entry.key, facts)
        months = months_of(file, facts, settings.LAKE_DIR / ".scratch")
    return " ".join(f"{month:%Y-%m}" for month in months)


SOURCE = Focus()

"""AWS Cost and Usage Reports, 2.0 (Data Exports) and legacy: csv and Parquet, both delivery modes.

Source of the formats: AWS Data Exports user guide, "Understanding export delivery", and AWS CUR user
guide. Layouts: ``ingestion.core.aws_cur_layout`` and ``…_legacy_layout``; columns:
``ingestion.core.aws_cur_columns``; statements: ``ingestion.core.aws_cur_sql``.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path, PurePosixPath

from django.utils.text import slugify

from ingestion.core import aws_cur_layout as layout
from ingestion.core import aws_cur_legacy_layout as legacy
from ingestion.core.aws_cur_columns import header_problem
from ingestion.core.delivery import (
    ChargeReading,
    DeliveryRef,
    Discovery,
    Problem,
    SourceError,
    SourceFile,
)
from ingestion.cur_reader import CurReader
from ingestion.locations.base import Entry, Location, SourceUnavailableError
from ingestion.progress import Progress
from ingestion.verify import FileFacts, inspect

_READABLE = (".csv.gz", ".csv", ".parquet")
_INTERESTING = ("-Manifest.json", *_READABLE)
_MAX_MANIFEST_BYTES = 20_000_000


class AwsCur:
    """Reads CUR 2.0 exports and legacy reports."""

    id = "aws_cur"
    title = "AWS Cost and Usage Report"
    service_provider_name = "Amazon Web Services"
    produces = "charges"

    def discover(self, location: Location, period: date | None) -> Discovery:
        """The newest delivery of each export and billing period at or below ``location``."""
        place = {
            entry.key: entry for entry in location.entries() if entry.key.endswith(_INTERESTING)
        }
        found: dict[tuple[str, date], list[DeliveryRef]] = defaultdict(list)
        problems: list[Problem] = []
        manifests = 0
        for key, entry in place.items():
            where = layout.parse_manifest_path(key) or legacy.parse_legacy_path(key)
            if where is None or (period and where.period != period):
                continue
            manifests += 1
            try:
                ref = _delivery(location, entry, where, place)
            except (OSError, RuntimeError, UnicodeError) as error:
                problems.append(Problem(f"{key} cannot be read ({error})."))
            except SourceUnavailableError:
                raise
            except SourceError as error:
                problems.append(Problem(str(error)))
            except layout.LayoutError as error:
                problems.append(Problem(f"{key} {error}."))
            else:
                found[ref.identity, where.period].append(ref)
        if not manifests:
            problems.append(Problem(_nothing_found(location, period)))
        newest = [max(refs, key=_age) for refs in found.values()]
        return Discovery(
            tuple(sorted(newest, key=lambda ref: (ref.billing_period or date.min, ref.identity))),
            tuple(problems),
        )

    def inspect(self, file: SourceFile, advance: Callable[[int], None]) -> FileFacts:
        """Digest and header; the bytes are checked by the reader, as it reads them."""
        return inspect(file, advance)

    def check(self, ref: DeliveryRef, facts: dict[str, FileFacts]) -> None:
        """Refuse a delivery one of whose files is no CUR. Raises ``SourceError``."""
        for file in ref.files:
            header = list(facts[file.key].header)
            problem = None if facts[file.key].is_empty else header_problem(header)
            if problem:
                msg = (
                    f"{file.key}: the first line {problem}, so this is not a CUR file. "
                    "Check the export's format."
                )
                raise SourceError(msg)

    def read_charges(
        self, ref: DeliveryRef, facts: dict[str, FileFacts], folder: Path, progress: Progress
    ) -> ChargeReading:
        """Write the delivery's charge lines into ``folder`` and say what was read."""
        return CurReader(ref, facts, folder, progress).read()


def _delivery(
    location: Location,
    entry: Entry,
    where: layout.ManifestPath | legacy.LegacyPath,
    place: Mapping[str, Entry],
) -> DeliveryRef:
    try:
        text = location.read(entry, _MAX_MANIFEST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        msg = "is not UTF-8 text"
        raise layout.LayoutError(msg) from None
    if isinstance(where, layout.ManifestPath):
        ref, root, files = _of_export(text, where)
    else:
        ref, root, files = _of_report(text, where)
    brought = []
    for data in files:
        if not data.key.endswith(_READABLE):
            name = PurePosixPath(data.key).name
            msg = f"names {name!r}, and only Parquet, csv.gz and csv files can be read"
            raise layout.LayoutError(msg)
        key = f"{root}/{data.relative}" if root else str(data.relative)
        lies = place.get(key, Entry(key, 0, ""))
        brought.append(SourceFile(data.key, place=key, size=lies.size, mark=lies.mark))
    marks = [entry.mark]
    if location.is_overwritten_by_hand:
        marks += [file.mark for file in brought]
    return replace(
        ref,
        manifest=SourceFile(entry.key, place=entry.key, size=entry.size, mark=entry.mark),
        files=tuple(brought),
        mark=hashlib.sha256("\n".join(marks).encode()).hexdigest(),
    )


def _of_export(
    text: str, where: layout.ManifestPath
) -> tuple[DeliveryRef, str, list[layout.DataFile]]:
    """A delivery of CUR 2.0, the folder that its files are relative to, and these."""
    manifest = layout.parse_manifest(text)
    files = [layout.resolve_data_file(uri, where) for uri in manifest.data_files]
    execution = where.execution or next(
        (part for data in files if (part := _execution_folder(data.relative))), ""
    )
    ref = DeliveryRef(
        kind=AwsCur.id,
        identity=manifest.export_arn or f"export {where.export}",
        source_slug=slugify(f"aws-{where.export}")[:60],
        source_name=f"AWS bill ({where.export})",
        key=_manifest_key(where, files),
        execution_id=manifest.execution_id or execution,
        delivered_at=layout.execution_time(execution),
        billing_period=where.period,
        manifest=None,
        files=(),
    )
    return ref, where.export_dir, files


def _of_report(
    text: str, where: legacy.LegacyPath
) -> tuple[DeliveryRef, str, list[layout.DataFile]]:
    """A delivery of a legacy report, the folder that its files are relative to, and these."""
    manifest = legacy.parse_legacy_manifest(text, where)
    files = [legacy.resolve_report_key(key, where) for key in manifest.report_keys]
    root = where.report_dir
    ref = DeliveryRef(
        kind=AwsCur.id,
        identity=manifest.arn,
        source_slug=slugify(f"aws-{manifest.report_name}")[:60],
        source_name=f"AWS bill ({manifest.report_name})",
        key="/".join(part for part in (root, where.span, f"{where.report}-Manifest.json") if part),
        execution_id=manifest.assembly_id,
        delivered_at=legacy.assembled_at(manifest.assembly_id),
        billing_period=where.period,
        manifest=None,
        files=(),
    )
    return ref, root, files


def _execution_folder(relative: PurePosixPath) -> str:
    return relative.parts[2] if len(relative.parts) > 3 else ""


def _manifest_key(place: layout.ManifestPath, files: list[layout.DataFile]) -> str:
    """The manifest's key without its execution folder: both copies of a manifest have one key."""
    prefix = place.export_dir
    if files:
        depth = len(files[0].relative.parts)
        prefix = "/".join(files[0].key.split("/")[:-depth])
    name = f"metadata/BILLING_PERIOD={place.period:%Y-%m}/{place.export}-Manifest.json"
    return f"{prefix}/{name}" if prefix else name


def _age(ref: DeliveryRef) -> tuple[bool, datetime | None, int, str]:
    """Newest last. A manifest without an execution time (overwrite mode) beats dated ones, and of two
    manifests that tell no time the one in the period's own folder, which is always the latest copy."""
    depth = ref.manifest.place.count("/") if ref.manifest else 0
    return (ref.delivered_at is None, ref.delivered_at, -depth, ref.execution_id)


def _nothing_found(location: Location, period: date | None) -> str:
    what = f" for {period:%Y-%m}" if period else ""
    return (
        f"{location.text}: no CUR manifest{what} was found at or below this place. It lies at "
        "<export>/metadata/BILLING_PERIOD=YYYY-MM/<export>-Manifest.json, or, of a legacy report, at "
        "<report>/yyyymmdd-yyyymmdd/<report>-Manifest.json, and is written last: copy it too."
    )


SOURCE = AwsCur()

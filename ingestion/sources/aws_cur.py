"""AWS Cost and Usage Report 2.0 (Data Exports) from a folder: csv.gz and csv, both delivery modes.

Source of the formats: AWS Data Exports user guide, "Understanding export delivery" and the table
dictionary of CUR 2.0. Discovery and layout: ``ingestion.core.aws_cur_layout``; columns:
``ingestion.core.aws_cur_columns``; statements: ``ingestion.core.aws_cur_sql``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path, PurePosixPath

from django.utils.text import slugify

from ingestion.core import aws_cur_layout as layout
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
from ingestion.progress import Progress
from ingestion.verify import FileFacts

_READABLE = (".csv.gz", ".csv")
_MAX_MANIFEST_BYTES = 20_000_000


class AwsCur:
    """Reads CUR 2.0 exports."""

    id = "aws_cur"
    title = "AWS Cost and Usage Report 2.0"
    service_provider_name = "Amazon Web Services"
    produces = "charges"

    def discover(self, location: Path, period: date | None) -> Discovery:
        """The newest delivery of each export and billing period at or below ``location``."""
        if not location.is_dir():
            return Discovery((), (Problem(f"{location}: there is no such folder."),))
        found: dict[tuple[str, date], list[DeliveryRef]] = defaultdict(list)
        problems: list[Problem] = []
        manifests = 0
        for path, place in _manifests(location):
            if period and place.period != period:
                continue
            manifests += 1
            try:
                ref = _delivery(location, path, place)
            except (OSError, RuntimeError) as error:
                relative = path.relative_to(location).as_posix()
                problems.append(Problem(f"{relative} cannot be read ({error})."))
                continue
            except layout.LayoutError as error:
                relative = path.relative_to(location).as_posix()
                problems.append(Problem(f"{relative} {error}."))
                continue
            found[ref.identity, place.period].append(ref)
        if not manifests:
            problems.append(Problem(_nothing_found(location, period)))
        newest = [max(refs, key=_age) for refs in found.values()]
        return Discovery(
            tuple(sorted(newest, key=lambda ref: (ref.identity, ref.key))), tuple(problems)
        )

    def check(self, ref: DeliveryRef, facts: dict[str, FileFacts]) -> None:
        """Refuse a delivery one of whose files is no CUR. Raises ``SourceError``."""
        for file in ref.files:
            header = list(facts[file.key].header)
            problem = None if facts[file.key].is_empty else header_problem(header)
            if problem:
                msg = (
                    f"{file.key}: the first line {problem}, so this is not a CUR 2.0 file. "
                    "Check the export's format."
                )
                raise SourceError(msg)

    def read_charges(
        self, ref: DeliveryRef, facts: dict[str, FileFacts], folder: Path, progress: Progress
    ) -> ChargeReading:
        """Write the delivery's charge lines into ``folder`` and say what was read."""
        return CurReader(ref, facts, folder, progress).read()


def _manifests(location: Path) -> Iterator[tuple[Path, layout.ManifestPath]]:
    for path in sorted(location.rglob("*-Manifest.json")):
        place = layout.parse_manifest_path(path.relative_to(location).as_posix())
        if place is not None and path.is_file():
            yield path, place


def _delivery(location: Path, path: Path, place: layout.ManifestPath) -> DeliveryRef:
    if not path.resolve().is_relative_to(location.resolve()):
        msg = "is a link that leads out of the folder: refused"
        raise layout.LayoutError(msg)
    if path.stat().st_size > _MAX_MANIFEST_BYTES:
        msg = "is larger than any manifest"
        raise layout.LayoutError(msg)
    try:
        manifest = layout.parse_manifest(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        msg = "is not UTF-8 text"
        raise layout.LayoutError(msg) from None
    export_dir = location / place.export_dir if place.export_dir else location
    files, keys = [], []
    for uri in manifest.data_files:
        data = layout.resolve_data_file(uri, place)
        if not data.key.endswith(_READABLE):
            msg = (
                f"names {PurePosixPath(data.key).name!r}, and only csv.gz and csv files can be read"
            )
            raise layout.LayoutError(msg)
        target = export_dir / data.relative
        if not target.resolve().is_relative_to(location.resolve()):
            msg = f"names {data.key!r}, which leads out of the folder: refused"
            raise layout.LayoutError(msg)
        files.append(SourceFile(data.key, target))
        keys.append(data)
    execution = place.execution or next(
        (part for data in keys if (part := _execution_folder(data.relative))), ""
    )
    return DeliveryRef(
        kind=AwsCur.id,
        identity=manifest.export_arn or f"export {place.export}",
        source_slug=slugify(f"aws-{place.export}")[:60],
        source_name=f"AWS bill ({place.export})",
        key=_manifest_key(place, keys),
        execution_id=manifest.execution_id or execution,
        delivered_at=layout.execution_time(execution),
        billing_period=place.period,
        manifest=SourceFile(path.relative_to(location).as_posix(), path),
        files=tuple(files),
    )


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


def _age(ref: DeliveryRef) -> tuple[bool, datetime | None, str]:
    """Newest last. A manifest without an execution time (overwrite mode) beats dated ones."""
    return (ref.delivered_at is None, ref.delivered_at, ref.execution_id)


def _nothing_found(location: Path, period: date | None) -> str:
    what = f" for {period:%Y-%m}" if period else ""
    return (
        f"{location}: no CUR 2.0 manifest{what} was found at or below this folder. It lies at "
        "<export>/metadata/BILLING_PERIOD=YYYY-MM/<export>-Manifest.json and is written last: "
        "copy it too."
    )


SOURCE = AwsCur()

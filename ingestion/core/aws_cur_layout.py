"""Where a CUR 2.0 export lies: manifest paths, execution folders and the files a manifest names. Pure.

Source: AWS Data Exports, "Understanding export delivery":

* overwrite: ``<prefix>/<export>/metadata/BILLING_PERIOD=YYYY-MM/<export>-Manifest.json``
* create-new: the same, and once more below ``…/<timestamp>-<execution-id>/``

The manifest is written after its data files, so it is the commit marker, and it is the only list of
files: in overwrite mode chunks that a smaller refresh left over are emptied, not deleted.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import PurePosixPath

from finops.core.periods import PeriodError, parse_month

_MANIFEST = re.compile(
    r"(?:(?P<export_dir>.+)/)?metadata/BILLING_PERIOD=(?P<period>[^/]+)/"
    r"(?:(?P<execution>[^/]+)/)?(?P<export>[^/]+)-Manifest\.json"
)
_EXECUTION = re.compile(
    r"(?P<at>\d{4}-\d{2}-\d{2}T\d{2}[:.\-]?\d{2}[:.\-]?\d{2}(?:\.\d{1,9})?)Z-(?P<id>.+)"
)
_URI = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.+)", re.DOTALL)
_MAX_ID = 200
_MAX_PART = 240
"""A longer name is none that a file system can hold."""


class LayoutError(ValueError):
    """A manifest or a URI that cannot be used; the message completes "<manifest> …"."""


@dataclass(frozen=True)
class ManifestPath:
    """What the place of a manifest says, relative to the folder that was given."""

    export_dir: str
    export: str
    period: date
    execution: str


@dataclass(frozen=True)
class Manifest:
    """What is used of a manifest; AWS writes ``columns`` too, but the files' own headers decide."""

    execution_id: str
    export_arn: str
    data_files: tuple[str, ...]


@dataclass(frozen=True)
class DataFile:
    """One chunk: its key in the bucket and its path relative to the export's folder."""

    key: str
    relative: PurePosixPath


def parse_manifest_path(relative: str) -> ManifestPath | None:
    """The parts of a manifest's path, or ``None`` where it is not one of a CUR 2.0 export."""
    match = _MANIFEST.fullmatch(relative)
    if match is None:
        return None
    try:
        period = parse_month(match["period"])
    except PeriodError:
        return None
    return ManifestPath(
        match["export_dir"] or "", match["export"], period, match["execution"] or ""
    )


def parse_manifest(text: str) -> Manifest:
    """Read a manifest. Raises ``LayoutError`` with what is wrong."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        msg = "is not JSON; it may be half written: deliver it again"
        raise LayoutError(msg) from None
    if not isinstance(value, dict) or not isinstance(value.get("dataFiles"), list):
        msg = "names no dataFiles: it is not the manifest of a CUR 2.0 export"
        raise LayoutError(msg)
    data_files = value["dataFiles"]
    if not all(isinstance(uri, str) for uri in data_files):
        msg = "has a dataFiles entry that is not a text"
        raise LayoutError(msg)
    if not data_files:
        msg = "names no data file, so there is nothing that could replace what is loaded"
        raise LayoutError(msg)
    execution_id, export_arn = (str(value.get(key) or "") for key in ("executionId", "exportArn"))
    for name, given in (("executionId", execution_id), ("exportArn", export_arn)):
        if len(given) > _MAX_ID or not given.isprintable():
            msg = f"has an {name} that is no id"
            raise LayoutError(msg)
    return Manifest(
        execution_id=execution_id,
        export_arn=export_arn,
        # A chunk that is listed twice is still one chunk.
        data_files=tuple(dict.fromkeys(data_files)),
    )


def execution_time(folder: str) -> datetime | None:
    """When the execution folder ``<timestamp>-<execution-id>`` was made, in UTC, if it says so."""
    match = _EXECUTION.fullmatch(folder)
    if match is None:
        return None
    digits = re.sub(r"[^0-9]", "", match["at"])
    try:
        moment = datetime.strptime(digits[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment.replace(microsecond=int((digits[14:] or "0").ljust(6, "0")[:6]))


def resolve_data_file(uri: str, place: ManifestPath) -> DataFile:
    """Where the chunk ``uri`` lies, relative to the export's folder (that of ``metadata/``).

    Whichever part of the prefix was copied, the key must be that of the same export and period:
    ``<prefix>/<export>/data/BILLING_PERIOD=<period>/…``, and what is known of the prefix must agree
    with the folder in which the manifest was found. Raises ``LayoutError``.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        msg = f"names {uri!r}, which is not an s3:// address"
        raise LayoutError(msg)
    parts = plain_parts(match["key"], uri)
    start = _data_folder(parts, place)
    if start is None:
        msg = (
            f"names {uri!r}, which lies outside the export's own "
            f"{place.export}/data/BILLING_PERIOD={place.period:%Y-%m}/: refused"
        )
        raise LayoutError(msg)
    return DataFile(match["key"], PurePosixPath(*parts[start:]))


def plain_parts(key: str, named: str) -> list[str]:
    """The parts of a key that is no trick. Raises ``LayoutError``, calling it ``named``."""
    parts = key.split("/")
    plain = named.isprintable() and "\\" not in named
    if not plain or any(part in {"", ".", ".."} or len(part) > _MAX_PART for part in parts):
        msg = f"names {named!r}, which is not a plain key"
        raise LayoutError(msg)
    return parts


def _data_folder(parts: list[str], place: ManifestPath) -> int | None:
    wanted = ("data", f"BILLING_PERIOD={place.period:%Y-%m}")
    found = [part for part in place.export_dir.split("/") if part]
    for start in range(1, len(parts) - 2):
        if tuple(parts[start : start + 2]) != wanted or parts[start - 1] != place.export:
            continue
        prefix = parts[:start]
        known = min(len(prefix), len(found))
        if known == 0 or prefix[-known:] == found[-known:]:
            return start
    return None

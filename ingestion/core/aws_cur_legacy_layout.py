"""Where a legacy Cost and Usage Report lies: manifest paths and the files a manifest names. Pure.

Source: AWS CUR user guide, "Understanding your AWS CUR files" and "Using Athena". In all forms the manifest
is ``<prefix>/<report>/<yyyymmdd-yyyymmdd>/<report>-Manifest.json``; a copy lies below ``…/<assemblyId>/``
where reports are created anew. Data lie below the period's folder, or, for Athena, below
``<prefix>/<report>/<report>/year=YYYY/month=M/``. The end of the period is the first day after it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import PurePosixPath

from finops.core.periods import add_months
from ingestion.core.aws_cur_layout import DataFile, LayoutError, plain_parts

_MANIFEST = re.compile(
    r"(?:(?P<report_dir>.+)/)?(?P<period>\d{8}-\d{8})/(?:(?P<assembly>[^/]+)/)?"
    r"(?P<report>[^/]+)-Manifest\.json"
)
_ASSEMBLED = re.compile(r"\d{8}T\d{6}Z")
_MAX_TEXT = 200


@dataclass(frozen=True)
class LegacyPath:
    """What the place of a manifest says, relative to the place that was given."""

    report_dir: str
    report: str
    span: str
    period: date
    assembly: str


@dataclass(frozen=True)
class LegacyManifest:
    """What is used of a manifest; the files' own headers decide on columns."""

    assembly_id: str
    account: str
    report_name: str
    report_keys: tuple[str, ...]

    @property
    def arn(self) -> str:
        """The report's ARN as AWS writes it: the same in every month and form."""
        return f"arn:aws:cur:us-east-1:{self.account}:definition/{self.report_name}"


def parse_legacy_path(relative: str) -> LegacyPath | None:
    """The parts of a manifest's path, or ``None`` where it is not one of a legacy report."""
    match = _MANIFEST.fullmatch(relative)
    if match is None:
        return None
    try:
        start, end = (
            datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
            for text in match["period"].split("-")
        )
    except ValueError:
        return None
    if start.day != 1 or end != add_months(start, 1):
        return None
    return LegacyPath(
        match["report_dir"] or "", match["report"], match["period"], start, match["assembly"] or ""
    )


def parse_legacy_manifest(text: str, place: LegacyPath) -> LegacyManifest:
    """Read a manifest. Raises ``LayoutError`` with what is wrong."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        msg = "is not JSON; it may be half written: deliver it again"
        raise LayoutError(msg) from None
    if not isinstance(value, dict) or not isinstance(value.get("reportKeys"), list):
        msg = "names no reportKeys: it is not the manifest of a Cost and Usage Report"
        raise LayoutError(msg)
    keys = value["reportKeys"]
    if not keys or not all(isinstance(key, str) for key in keys):
        msg = "names no data file, so there is nothing that could replace what is loaded"
        raise LayoutError(msg)
    named = {
        "assemblyId": value.get("assemblyId") or "",
        "account": value.get("account") or "",
        "reportName": value.get("reportName") or place.report,
    }
    for name, given in named.items():
        if not isinstance(given, str) or len(given) > _MAX_TEXT or not given.isprintable():
            msg = f"has an {name} that is no id"
            raise LayoutError(msg)
    period = value.get("billingPeriod")
    begins = str(period.get("start", ""))[:8] if isinstance(period, dict) else ""
    if begins and begins != place.span[:8]:
        msg = f"is about the period that begins {begins}, and lies in the folder of {place.span}"
        raise LayoutError(msg)
    return LegacyManifest(
        assembly_id=named["assemblyId"],
        account=named["account"],
        report_name=named["reportName"],
        report_keys=tuple(dict.fromkeys(keys)),
    )


def assembled_at(assembly: str) -> datetime | None:
    """When the assembly was made (UTC), where its id says so: newer reports use a time, older a UUID."""
    if not _ASSEMBLED.fullmatch(assembly):
        return None
    try:
        return datetime.strptime(assembly, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def resolve_report_key(key: str, place: LegacyPath) -> DataFile:
    """Where a data file lies, relative to the report's folder.

    Keys come with and without a leading slash, and with and without the bucket's prefix; what is known
    of the prefix must agree with the folder in which the manifest was found. Raises ``LayoutError``.
    """
    bare = key.removeprefix("/")
    parts = plain_parts(bare, key)
    found = [part for part in place.report_dir.split("/") if part]
    for start, relative in _data_folders(parts, place):
        before = parts[:start]
        known = min(len(before), len(found))
        if known == 0 or before[-known:] == found[-known:]:
            return DataFile(bare, PurePosixPath(*relative))
    msg = f"names {key!r}, which lies outside the report's own folder of {place.span}: refused"
    raise LayoutError(msg)


def _data_folders(parts: list[str], place: LegacyPath) -> list[tuple[int, list[str]]]:
    """Where the report's folder may end within ``parts``, and the path below it."""
    months = {f"month={place.period.month}", f"month={place.period.month:02d}"}
    found = []
    for start, part in enumerate(parts[:-1]):
        if part == place.span or (
            part == place.report
            and parts[start + 1 : start + 2] == [f"year={place.period.year}"]
            and set(parts[start + 2 : start + 3]) <= months
            and len(parts) > start + 3
        ):
            found.append((start, parts[start:]))
    return found

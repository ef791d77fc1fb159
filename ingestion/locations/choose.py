"""From what a person writes to a place that can be read."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from ingestion.cache import FileCache
from ingestion.locations.base import Location, SourceUnavailableError
from ingestion.locations.folder import FolderLocation
from ingestion.locations.s3 import S3Location


def cache() -> FileCache:
    """The cache of this machine, as set."""
    return FileCache(settings.CACHE_DIR, settings.CACHE_MAX_BYTES)


def location_of(text: str | Path, *, endpoint_url: str = "") -> Location:
    """``s3://bucket/prefix`` or a folder. Raises ``SourceUnavailableError`` for anything else."""
    if isinstance(text, Path):
        return FolderLocation(text)
    scheme = urlsplit(text).scheme
    if scheme == "s3":
        if endpoint_url and urlsplit(endpoint_url).scheme not in {"http", "https"}:
            msg = f"The endpoint {endpoint_url!r} is not an address that begins with https://."
            raise SourceUnavailableError(msg)
        return S3Location(text, endpoint_url=endpoint_url, cache=cache())
    if "://" in text:
        msg = f"{text}: only folders and s3:// places can be read."
        raise SourceUnavailableError(msg)
    return FolderLocation(Path(text).expanduser())

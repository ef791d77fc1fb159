"""A FOCUS export as a download: written whole first, so that nobody takes a broken one for whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.conf import settings
from django.http import FileResponse

from allocation.core.focus_export import FileFormat
from allocation.focus_export import Wanted, write_focus

_TYPES = {
    FileFormat.CSV: "application/gzip",
    FileFormat.PARQUET: "application/vnd.apache.parquet",
}


def focus_download(wanted: Wanted) -> FileResponse:
    """The export as an answer that is streamed from disk and leaves nothing there.

    Raises ``allocation.focus_export.ExportError`` and ``ingestion.core.delivery.SourceError``.
    """
    scratch = settings.LAKE_DIR / ".scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="engine-focus-", dir=scratch) as folder:
        path = Path(folder) / wanted.name
        write_focus(wanted, path)
        # The open file outlives its name.
        response = FileResponse(path.open("rb"), as_attachment=True, filename=wanted.name)
    response["Content-Type"] = _TYPES[wanted.file_format]
    response["Cache-Control"] = "private, no-store"
    return response

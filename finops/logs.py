"""Logs as one JSON object a line, and no secret in any of them.

``redact`` and ``mask_row`` are the pure functions of ``finops.core.redaction`` bound to the secrets of
this process: the environment's and ``SECRET_KEY``.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from logging import LogRecord
from pathlib import PurePath
from types import TracebackType
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter
from pythonjsonlogger.json import JsonFormatter

from finops.core import redaction

_MAX_DEPTH = 6
_AS_TEXT = (Decimal, date, UUID, PurePath, BaseException, bytes, complex)


def redact(text: str) -> str:
    """``text`` without the secrets of this process and without what looks like one."""
    return redactor().text(text)


def mask_row(columns: Mapping[str, str], keep: Collection[str], limit: int = 500) -> str:
    """A rejected row as text that may be stored and shown (see ``finops.core.redaction``)."""
    return redaction.mask_row(columns, keep, limit, redactor=redactor())


def cleaned(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """``mapping`` as plain JSON values without secrets, whatever it holds."""
    return _clean_mapping(mapping, 0)


def redactor() -> redaction.Redactor:
    """The redactor of this process; take it once where many texts are to be redacted."""
    # Keyed by the environment, so that a variable that is set later is known too.
    key = settings.SECRET_KEY if settings.configured else ""
    return _redactor_for(frozenset(os.environ.items()), key)


@lru_cache(maxsize=4)
def _redactor_for(environ: frozenset[tuple[str, str]], secret_key: str) -> redaction.Redactor:
    secrets = redaction.secrets_from_environment(dict(environ))
    return redaction.Redactor(secrets | {secret_key} if secret_key else secrets)


class RedactingJsonFormatter(JsonFormatter):
    """Timestamp (UTC), level, logger, message and extras as JSON, each part redacted."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
        )

    def format(self, record: LogRecord) -> str:
        """One line; a message whose arguments do not fit is shown without them, not on stderr."""
        try:
            record.getMessage()
        except Exception:
            # Python's own handler would print the arguments, secrets and all.
            record = logging.makeLogRecord(
                {**record.__dict__, "msg": f"{record.msg} (its arguments do not fit)", "args": ()}
            )
        return super().format(record)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Every value as plain JSON without secrets, the time first."""
        cleaned = _clean_mapping(log_data, 0)
        return {"timestamp": cleaned.pop("timestamp", None), **cleaned}


def _clean_mapping(mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    return {
        redact(str(key)): redaction.MASK
        if value and redaction.is_sensitive_name(str(key))
        else _clean(value, depth + 1)
        for key, value in mapping.items()
    }


def _clean(value: Any, depth: int) -> Any:
    """``value`` as JSON shows it; of objects that could hold anything only the type is named."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, int | float):
        text = str(value)
        return value if redact(text) == text else redaction.MASK
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, _AS_TEXT):
        return redact(str(value))
    if isinstance(value, HttpRequest):
        return redact(f"{value.method} {value.path}")
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return _clean_mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return [_clean(item, depth + 1) for item in value]
    return f"<{type(value).__name__}>"


class RedactingExceptionReporter(ExceptionReporter):
    """Django's page for a developer (``DEBUG``) shows settings and local variables: redacted here."""

    def get_traceback_html(self) -> SafeString:
        """The page."""
        return SafeString(redact(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        """The same as text."""
        return SafeString(redact(super().get_traceback_text()))


def install_excepthook() -> None:
    """Redact the traceback that ends a command, too."""
    sys.excepthook = _print_redacted


def _print_redacted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))

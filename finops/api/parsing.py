"""Bodies: JSON only, and whatever is wrong with one is a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class StrictJsonParser(JSONParser):
    """JSON as DRF reads it, without NaN and Infinity; nesting that no body needs is refused too."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The body. Raises ``ParseError``."""
        try:
            return super().parse(stream, media_type, parser_context)
        except (ParseError, RecursionError):
            msg = "The body is not JSON that can be read: check quotes, commas, brackets and UTF-8."
            raise ParseError(msg) from None

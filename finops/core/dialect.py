"""The few SQL expressions in which engines differ; all other statements are plain SQL. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """How one engine spells what the others spell otherwise; ``{x}`` is the argument."""

    name: str
    decimal: str
    timestamp: str
    json_value: str
    json_map: str
    moment_text: str

    def to_decimal(self, expression: str) -> str:
        """Text → DECIMAL(38,18), NULL where it is no number or has over 20 digits before the point."""
        return self.decimal.format(x=expression)

    def to_timestamp(self, expression: str) -> str:
        """UTC text (``2026-04-01T00:00:00.000Z``) → timestamp, NULL where it is none.

        A text with another zone's offset is refused: the engine would ignore the offset.
        """
        return self.timestamp.format(x=expression)

    def timestamp_text(self, expression: str) -> str:
        """A timestamp as the text that ``to_timestamp`` reads."""
        return self.moment_text.format(x=expression)

    def json_text(self, expression: str, key: str) -> str:
        """The text under ``key`` of a JSON object, NULL where there is none or the text is no JSON."""
        return self.json_value.format(x=expression, path=literal(f"$.{key}"))

    def json_object(self, items: Sequence[tuple[str, str]]) -> str:
        """Texts by key as one JSON text: ``items`` are keys and the expressions of their values."""
        pairs = ", ".join(f"{literal(key)}, {expression}" for key, expression in items)
        return self.json_map.format(x=pairs)


DUCKDB = Dialect(
    name="duckdb",
    # The engine would take an underscore between digits, which nobody prints.
    decimal="CASE WHEN strpos({x}, '_') = 0 THEN try_cast({x} AS DECIMAL(38,18)) END",
    # Without the Z a text may end in another offset, and the engine would ignore it.
    timestamp=(
        "CASE WHEN {x} LIKE '____-__-__%Z' OR regexp_full_match({x}, "
        "'[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]{{1,9}})?)?)?') "
        "THEN try_cast({x} AS TIMESTAMP) END"
    ),
    json_value="try(json_extract_string({x}, {path}))",
    moment_text="strftime({x}, '%Y-%m-%dT%H:%M:%S.%gZ')",
    json_map="CAST(json_object({x}) AS VARCHAR)",
)


def literal(text: str) -> str:
    """``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """``name`` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'

"""The few SQL expressions in which engines differ; all other statements are plain SQL. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """How one engine spells what the others spell otherwise; ``{x}`` is the argument."""

    name: str
    decimal: str
    timestamp: str

    def to_decimal(self, expression: str) -> str:
        """Text → DECIMAL(38,18), NULL where it is no number or has over 20 digits before the point."""
        return self.decimal.format(x=expression)

    def to_timestamp(self, expression: str) -> str:
        """UTC text (``2026-04-01T00:00:00.000Z``) → timestamp, NULL where it is none.

        A text with another zone's offset is refused: the engine would ignore the offset.
        """
        return self.timestamp.format(x=expression)


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
)


def literal(text: str) -> str:
    """``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """``name`` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'

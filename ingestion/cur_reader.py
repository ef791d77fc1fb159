"""Read the files of one CUR delivery into Parquet, file by file, with control totals.

The fast path gives a whole file to the engine. Where the engine stumbles over even one row, the slow
path (``ingestion.core.csv_sieve``) parts the file into sound rows, which the engine then reads, and
rows to put aside, with line and reason.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops.core.amounts import EXACT, exact_sum, parse_amount, to_lake
from finops.core.dialect import DUCKDB, literal
from finops.core.redaction import Redactor, mask_row
from finops.engine import connect
from finops.logs import redact, redactor
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_sql as sql
from ingestion.core.aws_cur_rows import row_amount, row_currency, row_problem
from ingestion.core.aws_services import classify
from ingestion.core.csv_sieve import BrokenRow, SoundRow, bounded_lines, sieve
from ingestion.core.delivery import (
    ChargeReading,
    CurrencyTotal,
    DeliveryRef,
    Reject,
    SourceError,
    SourceFile,
)
from ingestion.core.tags import TagsError, canonical, merge, parse_map
from ingestion.progress import Progress
from ingestion.verify import FileFacts, is_packed, open_unpacked

if TYPE_CHECKING:
    import duckdb

_BATCH = 50_000


@dataclass
class _Tally:
    """What has been read so far."""

    totals: dict[str, CurrencyTotal] = field(default_factory=lambda: defaultdict(CurrencyTotal))
    rejects: list[Reject] = field(default_factory=list)
    line_types: Counter[str] = field(default_factory=Counter)
    data_through: datetime | None = None
    days: set[date] = field(default_factory=set)
    billing_accounts: set[str] = field(default_factory=set)

    def add(self, currency: str, **amounts: Decimal | int) -> None:
        """Add to the control totals of one currency."""
        old = self.totals[currency]
        sums = {
            name: EXACT.add(getattr(old, name), value)
            if isinstance(value, Decimal)
            else getattr(old, name) + value
            for name, value in amounts.items()
        }
        self.totals[currency] = replace(old, **sums)  # type: ignore[arg-type]  # names are checked by replace

    def reject(self, reject: Reject) -> None:
        """Put one row aside; its cost still belongs to the source total."""
        self.rejects.append(reject)
        exact = reject.amount or Decimal(0)
        amount = to_lake(exact)
        self.add(
            reject.currency,
            source=amount,
            rejected=amount,
            beyond=EXACT.subtract(exact, amount),
            rejected_lines=1,
        )


class CurReader:
    """One reading of one delivery."""

    def __init__(
        self, ref: DeliveryRef, facts: dict[str, FileFacts], folder: Path, progress: Progress
    ) -> None:
        self.ref = ref
        self.facts = facts
        self.folder = folder
        self.progress = progress
        self.tally = _Tally()
        self.redactor = redactor()

    def read(self) -> ChargeReading:
        """Write one Parquet file per filled source file into the folder."""
        written: list[Path] = []
        total = sum(facts.text_bytes for facts in self.facts.values())
        done = 0
        for number, file in enumerate(self.ref.files):
            facts = self.facts[file.key]
            self.progress("reading", done, total)
            if not facts.is_empty:
                target = self.folder / f"part-{number:05d}.parquet"
                self._read_with_engine(file, facts, target)
                written.append(target)
            done += facts.text_bytes
        self.progress("reading", total, total)
        types = self.tally.line_types
        return ChargeReading(
            files=tuple(written),
            totals=_under_known_currency(self.tally.totals),
            rejects=tuple(self.tally.rejects),
            line_types=dict(sorted(types.items())),
            unknown_line_types=tuple(
                sorted(name for name in types if name and name not in cur.LINE_TYPES)
            ),
            data_through=self.tally.data_through,
            first_day=min(self.tally.days, default=None),
            last_day=max(self.tally.days, default=None),
            billing_accounts=tuple(sorted(self.tally.billing_accounts - {""})),
        )

    def _read_with_engine(self, file: SourceFile, facts: FileFacts, target: Path) -> None:
        import duckdb  # noqa: PLC0415  # loaded with the engine, not with the app

        try:
            with connect() as engine:
                self._read_file(engine, file, facts, target)
        except duckdb.Error as error:
            reason = redact(str(error)).split("\n", 1)[0][:200]
            msg = f"{file.key}: the engine cannot read this file ({reason})."
            raise SourceError(msg) from error

    def _read_file(
        self, engine: duckdb.DuckDBPyConnection, file: SourceFile, facts: FileFacts, target: Path
    ) -> None:
        header = list(facts.header)
        if facts.has_nul or not self._read_fast(engine, file, header, facts.lines - 1):
            self._read_slowly(engine, file, header, target)
        self._count(engine)
        engine.execute(
            f"COPY ({sql.charges(billing_period=str(self.ref.billing_period))}) "
            f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        )

    def _read_fast(
        self, engine: duckdb.DuckDBPyConnection, file: SourceFile, header: list[str], lines: int
    ) -> bool:
        """Give the file to the engine; whether it read every line and could type every row.

        The engine drops a line that is longer than its buffer without a word, so its rows are held
        against the lines that were counted. A line end inside quotes makes them differ, too: then the
        slow path, which knows quotes, has the last word.
        """
        import duckdb  # noqa: PLC0415  # loaded with the engine, not with the app

        relation = sql.read_csv(str(file.path), header, packed=is_packed(file.path))
        try:
            self._parse(engine, relation, header)
        except (duckdb.InvalidInputException, duckdb.NotImplementedException):
            return False
        return self._rows(engine) == lines and self._bad_rows(engine) == 0

    def _read_slowly(
        self, engine: duckdb.DuckDBPyConnection, file: SourceFile, header: list[str], target: Path
    ) -> None:
        clean = self.folder / f"{target.stem}.clean.csv"
        wider = [*header, sql.LINE_NUMBER]
        try:
            sound = self._sieve(file, header, clean)
            self._parse(engine, sql.read_csv(str(clean), wider, packed=False), wider)
        finally:
            clean.unlink(missing_ok=True)
        if self._rows(engine) != sound:
            msg = f"{file.key}: the engine read {self._rows(engine)} of {sound} sound rows."
            raise SourceError(msg)
        if self._bad_rows(engine):
            self._reject_what_is_left(engine, file)

    def _parse(self, engine: duckdb.DuckDBPyConnection, relation: str, header: list[str]) -> None:
        engine.execute(
            f"CREATE OR REPLACE TEMP TABLE parsed AS {sql.parsed(header, relation, DUCKDB)}"
        )
        _map_texts(
            engine,
            "tag_map(tags_text VARCHAR, resource_tags_text VARCHAR, tags VARCHAR)",
            "SELECT DISTINCT tags_text, resource_tags_text FROM parsed",
            lambda row: (row[0], row[1], _tags(row[0], row[1])),
        )
        _map_texts(
            engine,
            "service_map(x_service_code VARCHAR, x_usage_type VARCHAR, "
            "service_name VARCHAR, service_category VARCHAR)",
            "SELECT x_service_code, x_usage_type, max(x_service_title), max(product_text) "
            "FROM parsed GROUP BY ALL",
            lambda row: (row[0], row[1], *classify(row[0], row[1], row[2], row[3])),
        )

    def _rows(self, engine: duckdb.DuckDBPyConnection) -> int:
        return int(_one(engine, "SELECT count(*) FROM parsed")[0])

    def _bad_rows(self, engine: duckdb.DuckDBPyConnection) -> int:
        query = (
            "SELECT count(*) FROM parsed JOIN tag_map USING (tags_text, resource_tags_text) "
            "WHERE is_bad OR tags IS NULL"
        )
        return int(_one(engine, query)[0])

    def _sieve(self, file: SourceFile, header: list[str], clean: Path) -> int:
        """Write the sound rows to ``clean`` and say how many; put the others aside."""
        sound = 0
        with (
            open_unpacked(file.path) as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n") as stream,
            clean.open("w", encoding="utf-8", newline="") as out,
        ):
            writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
            writer.writerow([*header, sql.LINE_NUMBER])
            for row in sieve(bounded_lines(stream), header, row_problem):
                if isinstance(row, SoundRow):
                    writer.writerow([*row.fields, row.line])
                    sound += 1
                else:
                    self.tally.reject(_rejected(file, header, row, self.redactor))
        return sound

    def _reject_what_is_left(self, engine: duckdb.DuckDBPyConnection, file: SourceFile) -> None:
        """Rows that the slow path let pass and the engine still cannot read: none may vanish."""
        rows = engine.execute(
            "SELECT line_text, cost_text, billing_currency FROM parsed "
            "JOIN tag_map USING (tags_text, resource_tags_text) WHERE is_bad OR tags IS NULL"
        ).fetchall()
        for line, cost, currency in rows:
            self.tally.reject(
                Reject(
                    file=file.key,
                    line=int(line),
                    reason="The engine cannot read a number or a time of the row.",
                    text="",
                    amount=row_amount({cur.COST: cost}),
                    currency=currency if len(currency) == 3 else cur.DEFAULT_CURRENCY,
                )
            )
        engine.execute(
            "DELETE FROM parsed WHERE is_bad OR (tags_text, resource_tags_text) IN "
            "(SELECT (tags_text, resource_tags_text) FROM tag_map WHERE tags IS NULL)"
        )

    def _count(self, engine: duckdb.DuckDBPyConnection) -> None:
        sums = engine.execute(
            "SELECT billing_currency, sum(billed_cost), count(*) FROM parsed GROUP BY 1"
        ).fetchall()
        for currency, billed, lines in sums:
            self.tally.add(currency, source=billed, lines=int(lines))
        for currency, beyond in _beyond_the_lake(engine):
            self.tally.add(currency, beyond=beyond)
        types = engine.execute(
            "SELECT x_line_item_type, count(*) FROM parsed GROUP BY 1"
        ).fetchall()
        self.tally.line_types.update({name: int(lines) for name, lines in types})
        first, last = _one(engine, "SELECT min(start_at), max(start_at) FROM parsed")
        self.tally.days |= {moment.date() for moment in (first, last) if moment is not None}
        accounts = engine.execute("SELECT DISTINCT billing_account_id FROM parsed").fetchall()
        self.tally.billing_accounts |= {account for (account,) in accounts}
        newest = _one(
            engine,
            "SELECT max(end_at) FROM parsed WHERE usage_end_at IS NULL "
            "OR usage_end_at - usage_start_at <= INTERVAL 7 DAY",
        )[0]
        if newest is not None:
            moment = newest.replace(tzinfo=UTC)
            self.tally.data_through = max(self.tally.data_through or moment, moment)


def _under_known_currency(totals: dict[str, CurrencyTotal]) -> dict[str, CurrencyTotal]:
    """Rejected rows whose currency could not be read count with the bill's only other currency."""
    guess = totals.get(cur.DEFAULT_CURRENCY)
    others = [currency for currency in totals if currency != cur.DEFAULT_CURRENCY]
    if guess is None or guess.lines or guess.source or len(others) != 1:
        return dict(totals)
    known = totals[others[0]]
    if guess.rejected or guess.beyond:
        return dict(totals)
    rejected = known.rejected_lines + guess.rejected_lines
    return {others[0]: replace(known, rejected_lines=rejected)}


def _tags(tags: str, resource_tags: str) -> str | None:
    try:
        return canonical(merge(parse_map(tags), parse_map(resource_tags)))
    except TagsError:
        return None


def _map_texts(
    engine: duckdb.DuckDBPyConnection,
    table: str,
    distinct: str,
    mapped: Callable[[tuple[str, ...]], tuple[str | None, ...]],
) -> None:
    """Fill ``table`` with what Python makes of each distinct text: rules see keys, never lines."""
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app

    name = table.split("(", 1)[0]
    engine.execute(f"CREATE OR REPLACE TEMP TABLE {table}")
    texts = engine.execute(distinct).fetchall()
    for start in range(0, len(texts), _BATCH):
        rows = [mapped(row) for row in texts[start : start + _BATCH]]
        columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
        batch = pa.Table.from_arrays(columns, [f"c{i}" for i in range(len(columns))])
        engine.register("mapped_batch", batch)
        engine.execute(f"INSERT INTO {name} SELECT * FROM mapped_batch")
        engine.unregister("mapped_batch")


def _beyond_the_lake(engine: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, Decimal]]:
    """Per currency, the exact sum of what rounding to 18 decimals took from the costs."""
    cursor = engine.execute(
        "SELECT billing_currency, trim(cost_text) FROM parsed WHERE strlen(cost_text) > 19 "
        "OR (contains(lower(cost_text), 'e-') AND (strlen(cost_text) > 13 "
        "OR regexp_matches(cost_text, '[eE]-[0-9]{2}')))"
    )
    while rows := cursor.fetchmany(_BATCH):
        lost: dict[str, list[Decimal]] = defaultdict(list)
        for currency, text in rows:
            exact = parse_amount(text)
            rest = EXACT.subtract(exact, to_lake(exact))
            if rest:
                lost[currency].append(rest)
        for currency, rests in lost.items():
            yield currency, exact_sum(rests)


def _rejected(file: SourceFile, header: list[str], row: BrokenRow, hide: Redactor) -> Reject:
    if not row.fields:
        return Reject(
            file=file.key,
            line=row.line,
            reason=row.reason,
            text=f"‹{row.chars} characters›",
            amount=None,
            currency=cur.DEFAULT_CURRENCY,
        )
    values = dict(zip(header, row.fields, strict=True))
    return Reject(
        file=file.key,
        line=row.line,
        reason=hide.text(row.reason)[:300],
        text=mask_row(values, cur.SHOWN_IN_REJECTS, redactor=hide),
        amount=row_amount(values),
        currency=row_currency(values),
    )


def _one(engine: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = engine.execute(query).fetchone()
    if row is None:
        msg = "the engine gave no row"
        raise RuntimeError(msg)
    return row

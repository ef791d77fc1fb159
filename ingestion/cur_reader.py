"""Read the files of one CUR delivery into Parquet, file by file, with control totals.

A file goes two steps: its bytes become chunks of texts (``ingestion.cur_stage``), and the engine types
these into charge lines; the next chunk is staged while the engine types. Where a file has even one row
out of shape or beyond typing, the slow path parts it into sound rows and rows to put aside.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops.bulk import without_collector
from finops.core.dialect import DUCKDB, literal
from finops.engine import beside_another, connect
from finops.logs import redact, redactor
from ingestion.ahead import ahead
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_costs as costs
from ingestion.core import aws_cur_sql as sql
from ingestion.core.aws_cur_implied import derived
from ingestion.core.aws_cur_plain import is_readable_map
from ingestion.core.aws_cur_rows import row_problem
from ingestion.core.csv_sieve import BrokenRow
from ingestion.core.delivery import ChargeReading, DeliveryRef, SourceError, SourceFile
from ingestion.cur_stage import Staged, chunks_of, delivered, put_aside, stage, stage_slowly
from ingestion.cur_tally import Tally
from ingestion.cur_texts import ToldTexts, write_lines
from ingestion.progress import Progress
from ingestion.verify import FileFacts, is_parquet

if TYPE_CHECKING:
    import duckdb

_BATCH = 10_000
_AHEAD = 2
"""Chunks, of this file or the next, that are ready while one is typed: they take room."""
_COMMITTED = (cur.COVERED, cur.NEGATION, cur.PLAN_FEE, cur.RESERVATION_FEE)
_LEFT = "The engine cannot read a number or a time of the row."


@dataclass(frozen=True)
class Step:
    """A chunk of a file, or, without one, the file's end and whether all its rows are in shape."""

    number: int
    chunk: Any
    in_shape: bool = False


class CurReader:
    """One reading of one delivery. Raises ``SourceError`` where a file is damaged as a whole."""

    def __init__(
        self, ref: DeliveryRef, facts: dict[str, FileFacts], folder: Path, progress: Progress
    ) -> None:
        self.ref = ref
        self.facts = facts
        self.folder = folder
        self.progress = progress
        self.redactor = redactor()
        self.files = [file for file in ref.files if not facts[file.key].is_empty]
        self.have: frozenset[str] = frozenset()
        self.basis = ""
        self.readable: set[str] = set()
        self.told = ToldTexts()
        self.tally = Tally(costs.UNBLENDED)

    @without_collector()
    def read(self) -> ChargeReading:
        """Write one Parquet file per filled source file into the folder, and one of derived lines."""
        written = self._read_all()
        if self.tally.right_basis != self.tally.basis:
            # Which cost counts is known only when all lines were seen, and it holds for all of them.
            self.basis = self.tally.right_basis
            written = self._read_all()
        types = self.tally.line_types
        return ChargeReading(
            files=tuple(written),
            totals=self.tally.known_totals(),
            rejects=tuple(self.tally.rejects),
            line_types=dict(sorted(types.items())),
            unknown_line_types=tuple(
                sorted(name for name in types if name and name not in costs.LINE_TYPES)
            ),
            data_through=self.tally.data_through,
            first_day=self.tally.first_day,
            last_day=self.tally.last_day,
            billing_accounts=tuple(sorted(self.tally.billing_accounts)),
            form=self._form(),
            cost_basis=self.tally.basis if types else "",
            is_invoiced=self.tally.is_invoiced,
            notes=tuple(self.tally.notes(self.have)),
        )

    def _form(self) -> str:
        if not self.files:
            return ""
        first = self.files[0]
        name = "legacy CUR" if cur.is_legacy(self.facts[first.key].header) else "CUR 2.0"
        return f"{name} {'Parquet' if is_parquet(first.path) else 'csv'}"

    def _read_all(self) -> list[Path]:
        self.tally, self.told = Tally(self.basis), ToldTexts()
        written: list[Path] = []
        total = sum(self.facts[file.key].bytes for file in self.files)
        done = rows = 0
        self.progress("reading", 0, total)
        with (
            connect(threads=beside_another()) as engine,
            closing(ahead(self._steps(), depth=_AHEAD)) as steps,
        ):
            chunks: list[Path] = []
            is_whole = True
            self._begin_file(engine)
            for step in steps:
                file = self.files[step.number]
                with _damage_of(file):
                    if step.chunk is not None:
                        is_whole = is_whole and self._type_chunk(engine, step, chunks)
                        rows += step.chunk.num_rows
                        self.progress("reading", done, total, rows)
                        continue
                    written += self._end_file(engine, step, chunks, is_whole=is_whole)
                done += self.facts[file.key].bytes
                rows = self.tally.rows
                self.progress("reading", done, total, rows)
                chunks, is_whole = [], True
                self._begin_file(engine)
            if lines := self._derive(engine, written):
                written.append(lines)
        return written

    # --- one file --------------------------------------------------------------------------------

    def _steps(self) -> Generator[Step, None, None]:
        """Every chunk of every file, and each file's end. Runs beside the engine."""
        for number, file in enumerate(self.files):
            if is_parquet(file.path):
                yield Step(number, None, in_shape=False)
                continue
            chunks = chunks_of(file, self.facts[file.key])
            while True:
                try:
                    yield Step(number, next(chunks))
                except StopIteration as end:
                    yield Step(number, None, in_shape=bool(end.value))
                    break

    def _staged_path(self, number: int) -> Path:
        return self.folder / f"staged-{number:05d}.parquet"

    @staticmethod
    def _begin_file(engine: duckdb.DuckDBPyConnection) -> None:
        engine.execute(
            "CREATE OR REPLACE TEMP TABLE bad_tags(x_tags VARCHAR, x_resource_tags VARCHAR)"
        )

    def _type_chunk(
        self, engine: duckdb.DuckDBPyConnection, step: Step, chunks: list[Path]
    ) -> bool:
        """Type one chunk into a file of its own; whether every row could be."""
        path = self._staged_path(step.number)
        try:
            staged = stage(step.chunk, path, self.readable)
            chunks.append(self.folder / f"part-{step.number:05d}-{len(chunks):04d}.parquet")
            return self._write(engine, staged, chunks[-1])
        finally:
            path.unlink(missing_ok=True)

    def _end_file(
        self, engine: duckdb.DuckDBPyConnection, step: Step, chunks: list[Path], *, is_whole: bool
    ) -> list[Path]:
        """Count the file's chunks; where not all of it fits, read it the slow way instead."""
        if step.in_shape and is_whole:
            written, have = (
                chunks,
                sql.known_columns(self.facts[self.files[step.number].key].header),
            )
        else:
            for chunk in chunks:
                chunk.unlink(missing_ok=True)
            written, have = self._read_slowly(engine, step.number)
        self.have |= have
        if step.number == len(self.files) - 1:
            # Nothing is staged any more, and what is written stays as it is.
            engine.execute(f"SET threads = {os.cpu_count() or 1}")
            engine.execute("SET GLOBAL parquet_metadata_cache = true")
        if written:
            self.tally.count(engine, _relation(written))
        return written

    def _read_slowly(
        self, engine: duckdb.DuckDBPyConnection, number: int
    ) -> tuple[list[Path], frozenset[str]]:
        """A delivered Parquet file, or one that has a row out of shape or beyond typing."""
        file, facts = self.files[number], self.facts[self.files[number].key]
        path, target = self._staged_path(number), self.folder / f"part-{number:05d}.parquet"
        try:
            staged = (
                delivered(engine, file, facts.lines - 1)
                if is_parquet(file.path)
                else stage_slowly(file, facts, path, self.redactor)
            )
            self._choose_basis(engine, staged)
            self.tally.put_aside(staged.aside)
            if not self._write(engine, staged, target):
                self._put_aside_what_is_left(engine, file, staged)
                self._write(engine, staged, target)
        finally:
            path.unlink(missing_ok=True)
        return [target], staged.have

    def _write(self, engine: duckdb.DuckDBPyConnection, staged: Staged, target: Path) -> bool:
        """Type the staged rows into ``target``; whether every one of them could be, and is sound."""
        self._choose_basis(engine, staged)
        statement = partial(
            sql.charges,
            dialect=DUCKDB,
            billing_period=str(self.ref.billing_period),
            basis=self.basis,
        )
        rows = (
            write_lines(
                engine,
                statement,
                have=staged.have,
                relation=staged.relation,
                texts=staged.texts,
                memory=self.told,
                target=target,
            )
            if staged.texts
            else _copy(engine, statement(staged.have, staged.relation), target)
        )
        if rows != staged.rows:
            return False
        return staged.has_plain_tags or not self._bad_tags(engine, target)

    def _choose_basis(self, engine: duckdb.DuckDBPyConnection, staged: Staged) -> None:
        self.basis = self.basis or self._likely_basis(engine, staged)
        self.tally.basis = self.basis

    def _likely_basis(self, engine: duckdb.DuckDBPyConnection, staged: Staged) -> str:
        """Net, where the first lines that cost something have a net cost; the end decides."""
        if cur.NET_COST not in staged.have:
            return costs.UNBLENDED
        net, cost = DUCKDB.to_decimal(cur.NET_COST), DUCKDB.to_decimal(cur.COST)
        ((filled, empty),) = engine.execute(
            f"SELECT count(*) FILTER (net <> 0), count(*) FILTER (net IS NULL) FROM "
            f"(SELECT {net} AS net FROM {staged.relation} WHERE {cost} <> 0 LIMIT 1000)"
        ).fetchall()
        return costs.NET if filled and not empty else costs.UNBLENDED

    def _bad_tags(self, engine: duckdb.DuckDBPyConnection, target: Path) -> bool:
        """Whether a tag text of ``target`` cannot be read; such pairs are then in ``bad_tags``."""
        texts = engine.execute(
            "SELECT DISTINCT x_tags, x_resource_tags "
            f"FROM read_parquet({literal(sql.verbatim(str(target)))})"
        ).fetchall()
        bad = [pair for pair in texts if not all(map(is_readable_map, pair))]
        if bad:
            engine.executemany("INSERT INTO bad_tags VALUES (?, ?)", bad)
        return bool(bad)

    def _put_aside_what_is_left(
        self, engine: duckdb.DuckDBPyConnection, file: SourceFile, staged: Staged
    ) -> None:
        """Rows that the engine leaves out, one by one: none may vanish."""
        cursor = engine.execute(sql.unsound(staged.have, staged.relation, DUCKDB))
        names = [column[0] for column in cursor.description or ()]
        while rows := cursor.fetchmany(_BATCH):
            for row in rows:
                values = {name: text or "" for name, text in zip(names, row, strict=True)}
                line = int(values.pop(sql.LINE_NUMBER))
                reason = row_problem(values) or _LEFT
                broken = BrokenRow(line, reason, tuple(values.values()), 0)
                self.tally.put_aside([put_aside(file, list(values), broken, self.redactor)])

    # --- the whole delivery ----------------------------------------------------------------------

    def _derive(self, engine: duckdb.DuckDBPyConnection, written: list[Path]) -> Path | None:
        """What the lines together imply: unused commitment, and pairs that do not cancel."""
        if not set(self.tally.line_types) & set(_COMMITTED):
            return None
        lines = _relation(written)
        is_net = self.tally.basis == costs.NET
        if is_net:
            self._scale_unused(engine, lines)
        target = self.folder / "part-derived.parquet"
        if not _copy(engine, derived(lines, scaled=is_net), target):
            target.unlink()
            return None
        rests = engine.execute(
            "SELECT count(*), billing_currency, CAST(sum(billed_cost) AS DECIMAL(38,18)) "
            f"FROM read_parquet({literal(sql.verbatim(str(target)))}) WHERE x_derived = ? GROUP BY 2",
            [costs.REMAINDER],
        ).fetchall()
        self.tally.remainders = [(int(hours), currency, rest) for hours, currency, rest in rests]
        return target

    @staticmethod
    def _scale_unused(engine: duckdb.DuckDBPyConnection, lines: str) -> None:
        """Division has no place in the engine: the few distinct fees are scaled here."""
        decimal = "DECIMAL(38,18)"
        engine.execute(
            f"CREATE OR REPLACE TEMP TABLE scaled_unused(unused {decimal}, line_cost {decimal}, "
            f"unblended {decimal}, scaled {decimal})"
        )
        fees = engine.execute(
            "SELECT DISTINCT x_unused_cost, billed_cost, coalesce(x_unblended_cost, billed_cost) "
            f"FROM {lines} WHERE x_line_item_type = ? AND x_unused_cost IS NOT NULL",
            [cur.PLAN_FEE],
        ).fetchall()
        if fees:
            engine.executemany(
                "INSERT INTO scaled_unused VALUES (?, ?, ?, ?)",
                [(*fee, costs.scaled_unused(*fee)) for fee in fees],
            )


def _relation(paths: Sequence[Path]) -> str:
    listed = ", ".join(literal(sql.verbatim(str(path))) for path in paths)
    return f"read_parquet([{listed}], hive_partitioning=false)"


def _copy(engine: duckdb.DuckDBPyConnection, query: str, target: Path) -> int:
    ((rows,),) = engine.execute(
        f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
    ).fetchall()
    return int(rows)


@contextmanager
def _damage_of(file: SourceFile) -> Iterator[None]:
    """What the engine refuses is the file's damage, in one sentence."""
    import duckdb  # noqa: PLC0415  # loaded with the engine, not with the app

    try:
        yield
    except duckdb.Error as error:
        reason = redact(str(error)).split("\n", 1)[0][:200]
        msg = f"{file.key}: the engine cannot read this file ({reason})."
        raise SourceError(msg) from error

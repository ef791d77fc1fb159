"""Read the FOCUS files of one delivery into Parquet, file by file, with control totals.

A file becomes a relation of texts (``ingestion.focus_stage``), and the engine types it into charge lines; rows
that it leaves out are named one by one. Memory is bounded by the engine's limit and a batch, not by a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops.bulk import without_collector
from finops.core.dialect import DUCKDB, literal
from finops.engine import connect
from finops.logs import redact, redactor
from ingestion.core import aws_cur_costs as costs
from ingestion.core import focus_columns as focus
from ingestion.core import focus_sql as sql
from ingestion.core.aws_cur_plain import is_readable_map
from ingestion.core.aws_cur_sql import LINE_NUMBER, verbatim
from ingestion.core.delivery import (
    ChargeReading,
    DeliveryRef,
    Reject,
    SourceError,
    SourceFile,
)
from ingestion.core.focus_rows import NULL, row_problem
from ingestion.cur_stage import Aside
from ingestion.focus_stage import Staged, put_aside, stage
from ingestion.focus_tally import FocusTally, by_currency, folded
from ingestion.progress import Progress
from ingestion.verify import FileFacts, is_parquet

if TYPE_CHECKING:
    import duckdb

_BATCH = 10_000
_LEFT = "The engine cannot read a number or a time of the row."


class FocusReader:
    """One reading of one delivery. Raises ``SourceError`` where a file is damaged as a whole.

    With a manifest all rows are of the delivery's month; without one a file may hold several, and those of the
    delivery's month are read.
    """

    def __init__(
        self, ref: DeliveryRef, facts: dict[str, FileFacts], folder: Path, progress: Progress
    ) -> None:
        self.ref = ref
        self.facts = facts
        self.folder = folder
        self.progress = progress
        self.redactor = redactor()
        self.tally = FocusTally(costs.UNBLENDED)
        self.month: date = ref.billing_period or date.min

    @without_collector()
    def read(self) -> ChargeReading:
        """Write one Parquet file per filled source file into the folder."""
        files, notes = self._files()
        total = sum(self.facts[file.key].bytes for file in files)
        done, written = 0, []
        with connect() as engine:
            for number, file in enumerate(files):
                self.progress("reading", done, total, self.tally.rows)
                with _damage_of(file):
                    target = self._read_file(engine, number, file)
                if target:
                    written.append(target)
                done += self.facts[file.key].bytes
            self.progress("reading", total, total, self.tally.rows)
        totals = folded(self.tally.by_provider)
        return ChargeReading(
            files=tuple(written),
            totals=by_currency(totals),
            by_provider=totals,
            rejects=tuple(self.tally.rejects),
            line_types=dict(sorted(self.tally.line_types.items())),
            unknown_line_types=(),
            data_through=self.tally.data_through,
            first_day=self.tally.first_day,
            last_day=self.tally.last_day,
            billing_accounts=tuple(sorted(self.tally.billing_accounts)),
            form=self._form(files),
            is_invoiced=self.tally.is_invoiced,
            notes=notes,
        )

    def _files(self) -> tuple[list[SourceFile], tuple[str, ...]]:
        """The files that hold something, each content once, and a sentence on those left out."""
        seen: dict[str, str] = {}
        files, notes = [], []
        for file in self.ref.files:
            facts = self.facts[file.key]
            if facts.is_empty:
                continue
            if self.ref.manifest is None and facts.sha256 in seen:
                notes.append(f"{file.key} is a copy of {seen[facts.sha256]}: it counts once.")
                continue
            seen[facts.sha256] = file.key
            files.append(file)
        return files, tuple(notes)

    def _form(self, files: list[SourceFile]) -> str:
        if not files:
            return ""
        version = focus.version(self.facts[files[0].key].header)
        return f"FOCUS {version} {'Parquet' if is_parquet(files[0].path) else 'csv'}"

    def _read_file(
        self, engine: duckdb.DuckDBPyConnection, number: int, file: SourceFile
    ) -> Path | None:
        path = self.folder / f"staged-{number:05d}.parquet"
        target = self.folder / f"part-{number:05d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            staged = stage(engine, file, self.facts[file.key], path)
            is_first, period = self._period(engine, staged)
            if is_first:
                self._put_aside(list(staged.aside))
            self._find_bad_tags(engine, staged)
            query = sql.charges(
                staged.have,
                staged.relation,
                DUCKDB,
                billing_period=str(self.month),
                period=period,
            )
            ((rows,),) = engine.execute(
                f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
            ).fetchall()
            self._put_aside_what_is_left(engine, file, staged, period)
        finally:
            path.unlink(missing_ok=True)
        if not rows:
            target.unlink()
            return None
        self.tally.count(engine, f"read_parquet({literal(verbatim(str(target)))})")
        return target

    def _period(self, engine: duckdb.DuckDBPyConnection, staged: Staged) -> tuple[bool, str]:
        """Whether rows without a month count here, and the condition of this delivery's rows."""
        if self.ref.manifest is not None:
            return True, sql.EVERY_PERIOD
        found = engine.execute(sql.months(staged.relation, DUCKDB)).fetchall()
        known = [month for (month,) in found if month is not None]
        is_first = not known or min(known) == self.month
        return is_first, sql.in_period(str(self.month), is_first=is_first)

    @staticmethod
    def _find_bad_tags(engine: duckdb.DuckDBPyConnection, staged: Staged) -> None:
        """Fill ``bad_tags`` with the tag texts that cannot be read."""
        engine.execute("CREATE OR REPLACE TEMP TABLE bad_tags(x_tags VARCHAR)")
        if focus.TAGS not in staged.have:
            return
        texts = engine.execute(
            f'SELECT DISTINCT trim("{focus.TAGS}") FROM {staged.relation} '
            f'WHERE "{focus.TAGS}" IS NOT NULL'
        ).fetchall()
        bad = [(text,) for (text,) in texts if text.lower() != NULL and not is_readable_map(text)]
        if bad:
            engine.executemany("INSERT INTO bad_tags VALUES (?)", bad)

    def _put_aside_what_is_left(
        self, engine: duckdb.DuckDBPyConnection, file: SourceFile, staged: Staged, period: str
    ) -> None:
        """Rows that the engine leaves out, one by one: none may vanish."""
        cursor = engine.execute(sql.unsound(staged.have, staged.relation, DUCKDB, period=period))
        names = [column[0] for column in cursor.description or ()]
        while rows := cursor.fetchmany(_BATCH):
            rejects = []
            for row in rows:
                values = {name: text or "" for name, text in zip(names, row, strict=True)}
                line = int(values.pop(LINE_NUMBER))
                reason = row_problem(values) or _LEFT
                rejects.append(put_aside(file, values, line, reason, self.redactor))
            self._put_aside(rejects)

    def _put_aside(self, rejects: list[Reject]) -> None:
        self.tally.put_aside(Aside(reject, None) for reject in rejects)


@contextmanager
def _damage_of(file: SourceFile) -> Iterator[None]:
    """What the engine refuses is the file's damage, in one sentence."""
    import duckdb  # noqa: PLC0415  # loaded with the engine, not with the app

    try:
        yield
    except duckdb.Error as error:
        reason = redact(str(error)).split("\n", 1)[0][:200]
        msg = f"{file.key}: the file cannot be read ({reason})."
        raise SourceError(msg) from None


def months_of(file: SourceFile, facts: FileFacts, scratch: Path) -> tuple[date, ...]:
    """The billing months whose rows ``file`` holds, sorted; none where it has no row.

    Raises ``SourceError``, also where rows are there and none of them names a month.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    # Named like what an engine spills, so that what a killed process leaves is swept with it.
    with (
        tempfile.TemporaryDirectory(prefix="engine-months-", dir=scratch) as folder,
        _damage_of(file),
        connect() as engine,
    ):
        staged = stage(engine, file, _only_period(facts), Path(folder) / "months.parquet")
        found: list[Any] = engine.execute(sql.months(staged.relation, DUCKDB)).fetchall()
    months = tuple(month for (month,) in found if month is not None)
    if found and not months:
        msg = f"{file.key}: none of its rows names a month in {focus.PERIOD} that can be read."
        raise SourceError(msg)
    return months


def _only_period(facts: FileFacts) -> FileFacts:
    """The file as if only its billing period were of use: all else is passed over."""
    header = tuple(
        name if focus.used_name(name) == focus.PERIOD else f"_{place}"
        for place, name in enumerate(facts.header)
    )
    return replace(facts, header=header)

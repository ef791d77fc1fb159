"""Take the time-stamp responses of a place in: what is new of it, piece by piece, each a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from finops import clock
from finops.logs import redact
from ingestion.bookkeeping import Outcome
from ingestion.core.delivery import DeliveryRef, Problem
from ingestion.core.tsa import Aside, TokenBatch
from ingestion.core.tsa_tenants import RulesError, rules_of
from ingestion.locations.base import Location, SourceUnavailableError
from ingestion.models import Connection, Source
from ingestion.progress import Progress, silent
from ingestion.registry import TokenObject, TokenSource
from ingestion.taking import source_of
from ingestion.tsa_models import TsaObject
from ingestion.tsa_services import count_tokens, take_assets

_AT_ONCE = 500
_MOST_SAID = 20
"""Problems of one look that are said one by one; the rows put aside hold them all."""


def take_places_tokens(
    reader: TokenSource,
    location: Location,
    *,
    again: bool = False,
    connection: Connection | None = None,
    progress: Progress = silent,
) -> list[Outcome]:
    """Take what is new at ``location``; ``again`` reads also what was read before, and counts nothing twice.

    An object that cannot be used is put aside and does not stop the others; one that cannot be read now is
    left to the next look. Raises ``SourceUnavailableError`` where the place cannot be listed.
    """
    try:
        rules = rules_of(connection.settings if connection else {})
    except RulesError as error:
        return [_failed(f"Settings of the connection: {error}")]
    source = source_of(reader, _reference(reader, location))
    if connection and source.connection_id != connection.pk:
        Source.objects.filter(pk=source.pk).update(connection=connection)
    taken = _Taken(source, reader.id, progress)
    found = reader.objects(location)
    try:
        while some := list(islice(found, _AT_ONCE)):
            problems = [one for one in some if isinstance(one, Problem)]
            taken.put_aside(problems)
            objects = [one for one in some if isinstance(one, TokenObject)]
            taken.seen += len(some)
            fresh = objects if again else _new(source, objects)
            if fresh:
                pieces = reader.read_tokens(
                    location, fresh, rules=rules, now=clock.now(), advance=taken.advance
                )
                for piece in pieces:
                    taken.count(piece)
    except SourceUnavailableError as error:
        if not taken.seen:
            raise
        taken.later.append(str(error))
    if not taken.seen:
        return [_failed(f"{location.text}: nothing of this kind is there.")]
    return taken.outcomes(location.text)


class _Taken:
    """What one look gave."""

    def __init__(self, source: Source, kind: str, progress: Progress) -> None:
        self.source, self.kind, self.progress = source, kind, progress
        self.seen = self.read = self.rows = self.new = self.aside = self.bytes = 0
        self.said: list[str] = []
        self.later: list[str] = []

    def advance(self, count: int) -> None:
        """Say how far it is; how much there is, is not known before the place was listed."""
        self.read += count
        self.progress("reading", self.read, self.read)

    def put_aside(self, problems: Sequence[Problem]) -> None:
        """Keys that cannot be used at all."""
        if problems:
            asides = [Aside("keys", problem.sentence) for problem in problems]
            self.count(TokenBatch(asides=tuple(asides)))

    def count(self, piece: TokenBatch) -> None:
        """Make one piece visible."""
        now = clock.now()
        if piece.assets:
            take_assets(source=self.source, records=piece.assets, asides=(), now=now)
        counted = count_tokens(
            source=self.source,
            records=piece.tokens,
            asides=piece.asides,
            objects=piece.objects,
            size=piece.bytes,
            discovers=self.kind == "tsa_ndjson",
            now=now,
        )
        reasons = [
            *(f"{one.place}: {one.reason}" for one in piece.asides),
            *(f"{record.place}: {reason}" for record, reason in counted.refused),
        ]
        self.aside += len(reasons)
        self.said += reasons[: max(_MOST_SAID - len(self.said), 0)]
        self.rows += len(piece.tokens) + len(piece.assets) + len(piece.asides)
        self.new += counted.new
        self.bytes += piece.bytes
        self.later += piece.later

    def outcomes(self, place: str) -> list[Outcome]:
        """One for what was loaded, one for each that was put aside or left."""
        slug = self.source.slug
        found = [
            Outcome(place, "failed", slug, sentence=redact(text)) for text in self.said + self.later
        ]
        if self.rows > self.aside:
            found.append(
                Outcome(
                    key=place,
                    status="loaded",
                    source=slug,
                    rows=self.rows,
                    rejected_rows=self.aside,
                    bytes=self.bytes,
                )
            )
        elif not found:
            sentence = "Every object was read before; nothing changed."
            found.append(Outcome(place, "unchanged", slug, sentence=sentence))
        return found


def _new(source: Source, objects: Sequence[TokenObject]) -> list[TokenObject]:
    known = {
        bytes(name)
        for name in TsaObject.objects.filter(
            source=source, name__in=[one.name for one in objects]
        ).values_list("name", flat=True)
    }
    return [one for one in objects if one.name not in known]


def _reference(reader: TokenSource, location: Location) -> DeliveryRef:
    """What names the source: the place, the same whoever looks at it."""
    text = location.text.rstrip("/")
    if not text.startswith("s3://"):
        path = Path(text).resolve()
        text = str(path.parent if path.is_file() else path)
    return DeliveryRef(
        kind=reader.id,
        identity=text[-300:],
        source_slug=reader.id.replace("_", "-"),
        source_name=reader.title,
        key="",
        execution_id="",
        delivered_at=None,
        billing_period=None,
        manifest=None,
        files=(),
    )


def _failed(sentence: str) -> Outcome:
    return Outcome(key="", status="failed", sentence=redact(sentence))

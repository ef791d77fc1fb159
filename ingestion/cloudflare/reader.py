"""Reads a dataset for a span of time: limits honoured, full pages split, unknown fields left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ingestion.cloudflare.client import SCOPE_NAMES, ApiError, Client
from ingestion.core.cloudflare_errors import Refusal, Trouble
from ingestion.core.cloudflare_graphql import (
    Reading,
    bounded_hosts,
    daily_peaks,
    joined,
    read_rows,
    rows_of,
    scope_of,
)
from ingestion.core.cloudflare_queries import (
    R2_STORAGE,
    ZONE_HTTP,
    Dataset,
    Limits,
    Span,
    fitted,
    is_kept,
    pieces,
    query_text,
    read_limits,
    settings_text,
    time_text,
)

HOSTS = 200
"""How many hosts of a zone are kept for each hour: its figures only check those of Logpush."""

Asked = Callable[[], None]
"""Called before each call, so that a job can report and stop."""


@dataclass
class Reader:
    """One account with its zones, in one look. It learns limits and missing fields as it goes."""

    client: Client
    now: datetime
    asked: Asked
    limits: dict[tuple[str, str], Limits] = field(default_factory=dict)
    missing: dict[str, set[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _forms: dict[str, Dataset] = field(default_factory=dict)

    def learn_limits(self, scope: str, tag: str) -> None:
        """Ask the settings node of one account or zone; without one the limits of the documents hold.

        Raises ``ApiError`` for all but a schema that does not know the node.
        """
        self.asked()

        def check(body: Any) -> dict[str, Limits]:
            settings = scope_of(body, scope).get("settings")
            return read_limits(settings if isinstance(settings, dict) else {})

        try:
            found = self.client.graphql(settings_text(scope), {"tag": tag}, check)
        except ApiError as error:
            if not error.refusal.unknown:
                raise
            self.notes.append("The API names no limits; those of Cloudflare's documents are used.")
            return
        for dataset_id, limits in found.items():
            self.limits[dataset_id, tag] = limits

    def limits_of(self, dataset: Dataset, tag: str) -> Limits:
        """What is allowed for a dataset of one account or zone."""
        return self.limits.get((dataset.id, tag), Limits())

    def form_of(self, dataset: Dataset) -> Dataset:
        """The dataset with the fields that are asked for by now."""
        return self._forms.get(dataset.id, dataset)

    def read(self, dataset: Dataset, tag: str, span: Span) -> Reading:
        """Everything of ``span`` (a UTC day or its begin). Raises ``ApiError``; then nothing of it may be kept."""
        limits = self.limits_of(dataset, tag)
        fits = fitted(self.form_of(dataset), limits)
        if fits is None:
            sentence = (
                f"{dataset.title}: this plan allows {limits.fields} fields in a query, which is too few; "
                "nothing of it was read."
            )
            raise ApiError(sentence, Refusal(Trouble.RANGE))
        self._forms[dataset.id] = fits
        readings = [
            reading
            for piece in pieces(span, limits)
            for reading in self._whole(dataset, tag, piece, limits)
        ]
        whole = joined(readings)
        if dataset is R2_STORAGE:
            return replace(whole, facts=daily_peaks(whole.facts))
        if dataset is ZONE_HTTP:
            return replace(whole, facts=bounded_hosts(whole.facts, HOSTS))
        return whole

    def is_kept(self, dataset: Dataset, tag: str, span: Span) -> bool:
        """Whether the API still holds all of ``span``."""
        return is_kept(span, self.limits_of(dataset, tag), self.now)

    def _whole(self, dataset: Dataset, tag: str, span: Span, limits: Limits) -> Iterator[Reading]:
        rows = self._rows(dataset, tag, span, limits.page)
        if len(rows) < limits.page:
            yield read_rows(rows, dataset, span, tag)
            return
        halves = span.halves()
        if halves is None:
            sentence = (
                f"{dataset.title}: the minute from {time_text(span.start)} alone fills a page of {limits.page:,} "
                f"rows, so it cannot be read whole; nothing of that day of {SCOPE_NAMES[dataset.scope]} {tag} "
                "was changed."
            )
            raise ApiError(sentence, Refusal(Trouble.RANGE))
        for half in halves:
            yield from self._whole(dataset, tag, half, limits)

    def _rows(self, dataset: Dataset, tag: str, span: Span, page: int) -> Any:
        """The rows of one call; optional fields that the schema lacks are left out from then on."""
        while True:
            self.asked()
            form = self._forms[dataset.id]
            variables = {
                "tag": tag,
                "start": time_text(span.start),
                "end": time_text(span.end),
            }
            try:
                return self.client.graphql(
                    query_text(form, page), variables, lambda body: rows_of(body, dataset)
                )
            except ApiError as error:
                if error.trouble is not Trouble.SCHEMA:
                    raise
                smaller = form.without(error.refusal.unknown) if error.refusal.unknown else None
                if smaller is None:
                    raise ApiError(_changed(dataset, error.refusal), error.refusal) from None
                self.missing.setdefault(dataset.id, set()).update(error.refusal.unknown)
                self._forms[dataset.id] = smaller


def _changed(dataset: Dataset, refusal: Refusal) -> str:
    named = ", ".join(refusal.unknown)
    what = f"no longer knows {named}" if named else f"answers in another form ({refusal.said})"
    return (
        f"{dataset.title}: Cloudflare's GraphQL schema {what}, which this version needs; "
        f"nothing of {dataset.id} was changed: look for a newer version."
    )

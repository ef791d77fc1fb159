"""What the caches before Cloudflare said of a response, as usage facts. Pure.

A job may log the origin's ``Cache-Status`` (RFC 9211) as a custom field. Lines never come here: the engine
blanks what is told in quotes and each ``ttl``, and each distinct text that is left is parsed once. Source:
Cloudflare, Logs, "Custom fields" (``ResponseHeaders``); RFC 9211.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from finops.core.amounts import ratio
from finops.core.dialect import literal
from ingestion.core.cache_status import (
    FORWARD_CAUSES,
    CacheHop,
    CacheStatusError,
    parse_cache_status,
)
from ingestion.core.path_prefix import OTHER
from ingestion.core.usage import METRICS

HEADERS = "ResponseHeaders"
NAME = "cache-status"

ASKED, STORED, COLLAPSED, UNREADABLE = (
    "cache_status_requests",
    "cache_status_stored",
    "cache_status_collapsed",
    "cache_status_unreadable",
)
SAID_METRICS = (ASKED, STORED, COLLAPSED, UNREADABLE)
"""Responses by what one cache said; those that it stored; those that shared a request; those not to be read."""


MOST_TEXTS = 20_000
"""Distinct texts of a batch that are parsed, the most frequent first; the rest counts as not to be read."""
MOST_CACHES = 20
"""Names of caches that a source's hour may have; the rest is ``other``."""
LONGEST = 4096
"""Characters of a text that are parsed."""
_MOST_READ = 1 << 16
_MOST_HOPS = 16
_CACHE = re.compile(r"[A-Za-z0-9_.:*/ -]{1,40}", re.ASCII)

Said = tuple[str, str, str]
"""Metric, cache, and what it said: ``hit``, ``fwd=miss``, or nothing."""


def said_by_caches(text: str) -> tuple[Said, ...]:
    """What one value says: a member for each cache on the way and metric. What cannot be read says so.

    A reason that RFC 9211 does not know is ``fwd=other``; names of caches are kept where they are plain.
    """
    try:
        if len(text) > LONGEST:
            msg = "too long"
            raise CacheStatusError(msg)
        hops = parse_cache_status(text)
    except CacheStatusError:
        return ((UNREADABLE, "", ""),)
    return tuple(said for hop in hops[:_MOST_HOPS] for said in _said(hop))


def _said(hop: CacheHop) -> Iterable[Said]:
    cache = hop.cache if _CACHE.fullmatch(hop.cache) and hop.cache != OTHER else OTHER
    words = "hit" if hop.hit else ""
    if hop.forwarded and not hop.hit:
        words = f"fwd={hop.forwarded if hop.forwarded in FORWARD_CAUSES else OTHER}"
    yield ASKED, cache, words
    if hop.stored:
        yield STORED, cache, ""
    if hop.collapsed:
        yield COLLAPSED, cache, ""


def header_value() -> str:
    """An expression: the ``Cache-Status`` of a raw line, empty for none.

    The field is an object or its JSON as text; a header that came more than once is an array. What a parameter
    tells in quotes (``key``, ``detail``) may name a person or open a door, and is blanked here.
    """
    headers = (
        f"CASE WHEN json_type({HEADERS}) = 'VARCHAR' "
        f"THEN try_cast(json_extract_string({HEADERS}, '$') AS JSON) ELSE {HEADERS} END"
    )
    paths = [f'$."{name}"' for name in (NAME, "Cache-Status")]
    found = f"json_extract({headers}, {literal(paths[0])}), json_extract({headers}, {literal(paths[1])})"
    one = f"coalesce({found})"
    text = (
        f"CASE coalesce(json_type({one}), 'NULL') "
        f"WHEN 'ARRAY' THEN array_to_string(try_cast({one} AS VARCHAR[]), ', ') "
        f"WHEN 'VARCHAR' THEN json_extract_string({one}, '$') WHEN 'NULL' THEN NULL ELSE '?=' END"
    )
    # Names alone are quoted behind a comma or at the start: they stay.
    quoted, ages = r'''="([^"\\]|\\.)*"''', "ttl=-?[0-9]+"
    blanked = (
        f"regexp_replace(regexp_replace(value, {literal(quoted)}, '=\"\"', 'g'), "
        f"{literal(ages)}, 'ttl=0', 'g')"
    )
    return (
        f"CASE WHEN {HEADERS} IS NULL THEN '' ELSE coalesce(list_transform([{text}], lambda value: "
        f"CASE WHEN length(value) > {_MOST_READ} THEN '?=' ELSE {blanked} END)[1], '') END"
    )


def mended(headers: object) -> object:
    """Of a line's ``ResponseHeaders`` what ``header_value`` reads, in the form that it came in."""
    if isinstance(headers, str):
        return headers if NAME in headers.lower() else None
    if not isinstance(headers, dict):
        return None
    kept = {name: headers[name] for name in (NAME, "Cache-Status") if name in headers}
    return kept or None


@dataclass(frozen=True)
class CacheSaid:
    """What one cache of a zone said of ``responses`` responses; no cache: of those that cannot be read.

    ``forwards`` counts by reason why it went forward, the most frequent first.
    """

    zone: str
    cache: str
    responses: Decimal
    hit: Decimal | None
    forwards: tuple[tuple[str, Decimal], ...] = ()
    stored: Decimal = field(default_factory=Decimal)
    collapsed: Decimal = field(default_factory=Decimal)


def caches_said(sums: Iterable[tuple[str, str, str, Decimal]]) -> list[CacheSaid]:
    """Of quantities by zone, metric and what was said, a row for each cache, by zone and cache."""
    found: dict[tuple[str, str], dict[tuple[str, str], Decimal]] = {}
    for zone, metric, text, quantity in sums:
        cache, _, words = text.partition("; ")
        known = found.setdefault((zone, cache), {})
        known[metric, words] = known.get((metric, words), Decimal(0)) + quantity
    return [_one_said(zone, cache, by_word) for (zone, cache), by_word in sorted(found.items())]


def _one_said(zone: str, cache: str, by_word: dict[tuple[str, str], Decimal]) -> CacheSaid:
    none = Decimal(0)
    if not cache:
        return CacheSaid(zone, "", by_word.get((UNREADABLE, ""), none), None)
    asked = {words: amount for (metric, words), amount in by_word.items() if metric == ASKED}
    responses = sum(asked.values(), none)
    forwards = [
        (words.removeprefix("fwd="), amount) for words, amount in asked.items() if "fwd=" in words
    ]
    return CacheSaid(
        zone,
        cache,
        responses,
        ratio(asked.get("hit", none), responses),
        tuple(sorted(forwards, key=lambda one: (-one[1], one[0]))),
        by_word.get((STORED, ""), none),
        by_word.get((COLLAPSED, ""), none),
    )


SAID = """
CREATE TABLE said AS
SELECT hour, zone, host, said AS text, count(*) AS lines FROM counted WHERE said <> '' GROUP BY ALL
"""
"""How often each text came; empty where no line carries one."""

TEXTS = f"SELECT text FROM said GROUP BY text ORDER BY sum(lines) DESC, text LIMIT {MOST_TEXTS}"

MEANING = """
CREATE TABLE meaning_said AS
SELECT unnest(CAST($1 AS VARCHAR[])) AS text, unnest(CAST($2 AS VARCHAR[])) AS metric,
    unnest(CAST($3 AS VARCHAR[])) AS cache, unnest(CAST($4 AS VARCHAR[])) AS words
"""
"""What the texts mean, from lists of equal length."""


def meaning_lists(texts: Sequence[str]) -> list[list[str]]:
    """The parameters of ``MEANING``."""
    rows = [(text, *said) for text in texts for said in said_by_caches(text)]
    return [[row[at] for row in rows] for at in range(4)]


def said_facts(fact_files: Sequence[str], amount: str, is_sampled: str) -> str:
    """Add to ``facts`` what the caches said. ``amount`` is an expression over a count called ``amount``.

    The caches of earlier batches of the same hours keep their names, then the most frequent ones.
    """
    earlier = "SELECT '' AS cache WHERE false"
    if fact_files:
        files = ", ".join(map(literal, fact_files))
        earlier = (
            "SELECT DISTINCT split_part(cache_status, '; ', 1) AS cache FROM "
            f"read_parquet([{files}], hive_partitioning=false) WHERE metric = {literal(ASKED)} "
            f"AND split_part(cache_status, '; ', 1) <> {literal(OTHER)} "
            "AND hour IN (SELECT DISTINCT make_timestamp(hour * 1000000) FROM said)"
        )
    units = " ".join(
        f"WHEN {literal(name)} THEN {literal(METRICS[name].unit)}" for name in SAID_METRICS
    )
    return f"""
    INSERT INTO facts
    WITH earlier AS MATERIALIZED ({earlier}),
    clean AS MATERIALIZED (
        SELECT said.hour, meaning_zone.meaning AS zone,
            CASE WHEN kept_hosts.host IS NULL THEN {literal(OTHER)} ELSE kept_hosts.host END AS host,
            coalesce(metric, {literal(UNREADABLE)}) AS metric, coalesce(cache, '') AS cache,
            coalesce(words, '') AS words, sum(lines) AS amount
        FROM said
        JOIN meaning_zone ON meaning_zone.raw = said.zone
        JOIN meaning_host ON meaning_host.raw = said.host
        LEFT JOIN kept_hosts ON kept_hosts.hour = said.hour
            AND kept_hosts.zone = meaning_zone.meaning AND kept_hosts.host = meaning_host.meaning
        LEFT JOIN meaning_said ON meaning_said.text = said.text
        GROUP BY ALL),
    placed AS (
        SELECT cache, row_number() OVER (ORDER BY sum(amount) DESC, cache) AS place
        FROM clean ANTI JOIN earlier USING (cache)
        WHERE cache NOT IN ('', {literal(OTHER)}) GROUP BY cache),
    named AS MATERIALIZED (
        SELECT cache FROM earlier UNION ALL SELECT '' UNION ALL SELECT cache FROM placed
        WHERE place + (SELECT count(*) FROM earlier) <= {MOST_CACHES}),
    bounded AS (
        SELECT hour, zone, host, metric, words,
            CASE WHEN named.cache IS NULL THEN {literal(OTHER)} ELSE clean.cache END AS cache,
            sum(amount) AS amount
        FROM clean LEFT JOIN named USING (cache) GROUP BY ALL)
    SELECT make_timestamp(hour * 1000000), metric, CAST({amount} AS DECIMAL(38,18)),
        CASE metric {units} END, '', zone, host, '',
        cache || CASE WHEN words = '' THEN '' ELSE '; ' || words END, '', '', '', {is_sampled}
    FROM bounded
    """

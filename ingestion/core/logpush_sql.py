"""The statements that make usage facts of log lines; rules see distinct values, never lines. Pure.

``lines`` holds one row a line (and one a merged subrequest), ``firsts`` those that count, ``groups`` their sums
by raw values. What the values mean comes back as ``meaning_<name>`` tables; ``facts`` is the result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from finops.core.dialect import literal
from ingestion.core.cache_said import HEADERS, header_value
from ingestion.core.logpush_lines import COUNTS, EARLIEST, FIELDS, MOST_DIGITS, NESTED, TEXTS
from ingestion.core.path_prefix import OTHER
from ingestion.core.usage import METRICS

DIMENSIONS = ("zone", "host", "path", "status", "script")
"""The raw values whose meaning Python says."""

MEASURES: dict[str, str] = {
    "requests": "count(*) FILTER (is_eyeball)",
    "cache_requests": "count(*)",
    "edge_bytes": "sum(edge_bytes) FILTER (is_eyeball)",
    "cache_bytes": "sum(cache_bytes)",
    "origin_bytes": "sum(cache_bytes) FILTER (coalesce(origin_status, 0) NOT IN (0, 304))",
    "worker_cpu_us": "sum(cpu_us)",
    "worker_wall_us": "sum(wall_us)",
    "subrequests": "sum(subrequests)",
}
"""Metric → what it is of the lines. Bytes as Cloudflare's "Common calculations" have them."""

TRAFFIC = ("requests", "cache_requests", "edge_bytes", "cache_bytes", "origin_bytes")
WORKERS = ("worker_cpu_us", "worker_wall_us", "subrequests")

_COUNT_NAMES = {
    "EdgeResponseBytes": "edge_bytes",
    "CacheResponseBytes": "cache_bytes",
    "OriginResponseStatus": "origin_status",
    "WorkerCPUTime": "cpu_us",
    "WorkerWallTimeUs": "wall_us",
    "WorkerSubrequestCount": "subrequests",
}
_NONE = ("", "00")
"""How a line says that it has no parent."""


def source(objects: Mapping[int, str], *, is_forgiving: bool = False) -> str:
    """The raw lines of unpacked objects, given as number → path.

    A line that is no JSON is an error of the engine; where ``is_forgiving``, which takes a tenth longer, it is
    one without any value.
    """
    listed = ", ".join(literal(path) for path in objects.values())
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in FIELDS)
    numbers = " ".join(f"WHEN {literal(path)} THEN {number}" for number, path in objects.items())
    return (
        f"(SELECT *, CASE filename {numbers} END AS object, false AS nested, "
        f"{NESTED} AS inner_json FROM read_json([{listed}], format='newline_delimited', "
        f"columns={{{columns}, {literal(NESTED)}: 'JSON', {literal(HEADERS)}: 'JSON'}}, "
        f"ignore_errors={str(is_forgiving).lower()}, filename=true))"
    )


def merged_source(objects: Collection[int]) -> str:
    """The merged subrequests of these objects' ``lines`` as raw lines of their own.

    What one does not say itself, its parent says for it.
    """
    own = {name: f"json_extract_string(one, '$.{name}')" for name in FIELDS}
    own["EdgeStartTimestamp"] = f"coalesce({own['EdgeStartTimestamp']}, CAST(seconds AS VARCHAR))"
    own["ZoneName"] = f"coalesce({own['ZoneName']}, zone)"
    own["ClientRequestHost"] = f"coalesce({own['ClientRequestHost']}, host)"
    own["WorkerSubrequest"] = "'true'"
    columns = ", ".join(f"{expression} AS {name}" for name, expression in own.items())
    return (
        f"(SELECT object, true AS nested, CAST(NULL AS JSON) AS inner_json, {columns}, "
        f"json_extract(one, '$.{HEADERS}') AS {HEADERS} FROM ("
        "SELECT object, seconds, zone, host, unnest(CASE WHEN json_type(inner_json) = 'ARRAY' "
        "THEN CAST(inner_json AS JSON[]) ELSE [inner_json] END) AS one "
        f"FROM lines WHERE inner_json IS NOT NULL AND {among(objects)}))"
    )


def among(objects: Collection[int]) -> str:
    """A condition: the row is of one of these objects."""
    return f"object IN ({', '.join(map(str, objects))})"


def typed(rows: str, *, depth: int, latest: int, closed: Sequence[str]) -> str:
    """Rows of ``lines`` from raw ones. ``latest`` is in seconds since 1970, ``closed`` days as text.

    ``sound`` is false where a line must be looked at one by one (``logpush_lines.sound_line``).
    """
    days = ", ".join(f"DATE {literal(day)}" for day in closed)
    is_open = f"CAST(make_timestamp(seconds * 1000000) AS DATE) NOT IN ({days})" if days else "true"
    parents = ", ".join(literal(text) for text in _NONE)
    # What begins with [ or { came as an array or object; ranges cost less than patterns.
    is_no_text = " OR ".join(
        f"({name} >= '[' AND {name} < '\\') OR ({name} >= '{{' AND {name} < '|')" for name in TEXTS
    )
    # Most counts are 0: only the others are written again to see whether they were digits alone.
    are_counts = " AND ".join(
        f"CASE WHEN {name} IS NULL OR {name} = '' OR {name} = '0' THEN true "
        f"ELSE coalesce({alias} BETWEEN 0 AND {10**MOST_DIGITS - 1} "
        f"AND CAST({alias} AS VARCHAR) = {name}, false) END"
        for name, alias in _COUNT_NAMES.items()
    )
    casts = ", ".join(
        f"try_cast({name} AS BIGINT) AS {alias}" for name, alias in _COUNT_NAMES.items()
    )
    return f"""
    SELECT object, nested, seconds, seconds - seconds % 3600 AS hour,
        CAST(md5_number(concat(ray, '|', seconds, '|', uri, '|', is_sub)) AS UUID) AS key,
        zone, host, path, status, script, said,
        source = 'eyeball' OR (source = '' AND NOT is_sub) AS is_eyeball,
        {", ".join(_COUNT_NAMES.values())},
        CASE WHEN json_type(inner_json) IN ('ARRAY', 'OBJECT') AND CAST(inner_json AS VARCHAR) <> '[]'
            THEN inner_json END AS inner_json,
        coalesce(ray <> '' AND seconds BETWEEN {int(EARLIEST.timestamp())} AND {latest}
            AND is_text AND {is_open} AND {are_counts}, false) AS sound
    FROM (
        SELECT object, nested, inner_json, {", ".join(COUNTS)}, {casts},
            coalesce(RayID, '') AS ray,
            {_SECONDS} AS seconds,
            coalesce(nullif(ClientRequestURI, ''), ClientRequestPath, '') AS uri,
            coalesce(ClientRequestSource, '') AS source,
            coalesce(WorkerSubrequest, '') IN ('true', '1')
                OR coalesce(ClientRequestSource = 'edgeWorkerFetch', false)
                OR coalesce(ParentRayID, '') NOT IN ({parents}) AS is_sub,
            coalesce(ZoneName, '') AS zone,
            coalesce(ClientRequestHost, '') AS host,
            regexp_extract(coalesce(nullif(ClientRequestPath, ''), ClientRequestURI, ''),
                '^(/*[^/?#;]*){{0,{depth}}}') AS path,
            coalesce(CacheCacheStatus, '') AS status,
            coalesce(WorkerScriptName, '') AS script,
            {header_value()} AS said,
            NOT coalesce({is_no_text}, false) AS is_text
        FROM {rows}
    )
    """


_SECONDS = """CASE
    WHEN EdgeStartTimestamp LIKE '____-__-__%__:__:__%'
        THEN CAST(floor(epoch(try_cast(EdgeStartTimestamp AS TIMESTAMPTZ))) AS BIGINT)
    WHEN length(EdgeStartTimestamp) BETWEEN 18 AND 19 AND regexp_full_match(EdgeStartTimestamp, '[0-9]+')
        THEN CAST(EdgeStartTimestamp AS BIGINT) // 1000000000
    WHEN length(EdgeStartTimestamp) BETWEEN 9 AND 10 AND regexp_full_match(EdgeStartTimestamp, '[0-9]+')
        THEN CAST(EdgeStartTimestamp AS BIGINT)
    END"""


def lines_view(tables: Sequence[str]) -> str:
    """All lines of the batch as ``lines``: what is read at once is a table of its own, which is never added to."""
    parts = " UNION ALL ".join(
        f"SELECT *, {number} * 4294967296 + rowid AS line FROM {table}"
        for number, table in enumerate(tables)
    )
    return f"CREATE OR REPLACE VIEW lines AS {parts}"


FIRSTS = "CREATE TABLE firsts AS SELECT key, min(line) AS line, min(hour) AS hour FROM lines GROUP BY key"
"""Of lines with one key the first; ``forget`` then takes out those that an earlier batch counted."""


def forget(key_files: Sequence[str]) -> str:
    """Take out what was counted before, as the files of keys say."""
    return (
        "DELETE FROM firsts WHERE key IN (SELECT earlier.key FROM "
        f"read_parquet({_listed(key_files)}, hive_partitioning=false) AS earlier "
        "WHERE earlier.hour IN (SELECT DISTINCT make_timestamp(hour * 1000000) FROM firsts))"
    )


COUNTED = "CREATE VIEW counted AS SELECT * FROM lines WHERE line IN (SELECT line FROM firsts)"
ALL_COUNTED = "CREATE VIEW counted AS SELECT * FROM lines"
"""The lines that count; the second where each of them does, which costs no join."""

PER_OBJECT_AND_HOUR = """
SELECT object, hour, count(*) FILTER (NOT nested), min(seconds), max(seconds)
FROM {lines} GROUP BY object, hour
"""
"""Object, hour, lines, first and last second, of ``lines`` or of those ``counted``."""

NEVER_GIVEN = (
    "SELECT "
    + ", ".join(f"count({alias}) = 0 AS {name}" for name, alias in _COUNT_NAMES.items())
    + " FROM lines"
)
"""For each count whether no line of the batch carries it."""

GROUPS = f"""
CREATE TABLE groups AS
SELECT hour, {", ".join(DIMENSIONS)},
    {", ".join(f"CAST(coalesce({of}, 0) AS BIGINT) AS {name}" for name, of in MEASURES.items())}
FROM counted
GROUP BY hour, {", ".join(DIMENSIONS)}
"""

MEANT = f"""
CREATE TABLE meant AS
SELECT hour, {", ".join(f"meaning_{name}.meaning AS {name}" for name in DIMENSIONS)},
    {", ".join(f"sum({name}) AS {name}" for name in MEASURES)}
FROM groups {" ".join(f"JOIN meaning_{name} ON meaning_{name}.raw = groups.{name}" for name in DIMENSIONS)}
GROUP BY ALL
"""


def kept_hosts(fact_files: Sequence[str], most: int) -> str:
    """Which hosts of an hour's zone are kept: those of earlier batches, then the most requested, ``most`` in all."""
    earlier = "SELECT hour, zone, host FROM meant WHERE false"
    if fact_files:
        earlier = (
            "SELECT DISTINCT epoch(facts.hour)::BIGINT AS hour, facts.zone, facts.host FROM "
            f"read_parquet({_listed(fact_files)}, hive_partitioning=false) AS facts "
            f"WHERE facts.host <> {literal(OTHER)} AND facts.hour IN "
            "(SELECT DISTINCT make_timestamp(hour * 1000000) FROM meant)"
        )
    return f"""
    CREATE TABLE kept_hosts AS
    WITH earlier AS MATERIALIZED ({earlier}),
    here AS (SELECT hour, zone, host, sum(cache_requests) AS asked FROM meant GROUP BY ALL),
    fresh AS (SELECT * FROM here ANTI JOIN earlier USING (hour, zone, host)),
    counts AS (SELECT hour, zone, count(*) AS number FROM earlier GROUP BY ALL),
    placed AS (
        SELECT fresh.*, coalesce(number, 0) + row_number() OVER (
            PARTITION BY fresh.hour, fresh.zone ORDER BY asked DESC, host) AS place
        FROM fresh LEFT JOIN counts USING (hour, zone))
    SELECT hour, zone, host FROM earlier
    UNION ALL SELECT hour, zone, host FROM placed WHERE place <= {most}
    """


HAS_MORE_HOSTS = "SELECT count(*) > 0 FROM meant ANTI JOIN kept_hosts USING (hour, zone, host)"

OTHER_HOSTS = f"""
CREATE OR REPLACE TABLE meant AS
SELECT meant.hour, meant.zone,
    CASE WHEN kept_hosts.host IS NULL THEN {literal(OTHER)} ELSE meant.host END AS host,
    path, status, script, {", ".join(f"sum({name}) AS {name}" for name in MEASURES)}
FROM meant LEFT JOIN kept_hosts USING (hour, zone, host)
GROUP BY ALL
"""
"""``meant`` with the hosts that are not kept as one."""


def known(fact_files: Sequence[str]) -> str:
    """The prefixes that earlier batches kept of the same hours."""
    if not fact_files:
        return "CREATE TABLE known AS SELECT hour, zone, host, path FROM meant WHERE false"
    return (
        "CREATE TABLE known AS SELECT DISTINCT epoch(facts.hour)::BIGINT AS hour, facts.zone, facts.host, "
        f"facts.path_prefix AS path FROM read_parquet({_listed(fact_files)}, hive_partitioning=false) "
        f"AS facts WHERE facts.path_prefix NOT IN ('', {literal(OTHER)}) AND facts.hour IN "
        "(SELECT DISTINCT make_timestamp(hour * 1000000) FROM meant)"
    )


def kept(most: int) -> str:
    """Which prefixes of an hour's host are kept: those known, then the most requested, ``most`` in all."""
    return f"""
    CREATE TABLE kept AS
    WITH here AS (SELECT hour, zone, host, path, sum(cache_requests) AS asked FROM meant GROUP BY ALL),
    fresh AS (SELECT * FROM here ANTI JOIN known USING (hour, zone, host, path)),
    counts AS (SELECT hour, zone, host, count(*) AS number FROM known GROUP BY ALL),
    placed AS (
        SELECT fresh.*, coalesce(number, 0) + row_number() OVER (
            PARTITION BY fresh.hour, fresh.zone, fresh.host ORDER BY asked DESC, path) AS place
        FROM fresh LEFT JOIN counts USING (hour, zone, host))
    SELECT hour, zone, host, path FROM known
    UNION ALL SELECT hour, zone, host, path FROM placed WHERE place <= {most}
    """


def scaled(factor: str) -> str:
    """An expression: a count called ``amount`` times ``factor``."""
    if not factor:
        return "amount"
    return f"CAST(amount AS DECIMAL(20,0)) * CAST({literal(factor)} AS DECIMAL(18,12))"


def facts(factor: str) -> str:
    """The table ``facts``: a row a metric. ``factor`` is a decimal with at most 12 decimals, empty for 1.

    What the cache did is told by its status, what Workers did by script; each is empty for the other.
    """
    amount = scaled(factor)
    rows = [
        f"SELECT hour, {literal(name)} AS metric, {literal(METRICS[name].unit)} AS unit, {name} AS amount, "
        f"zone, host, path, {other} FROM {table} WHERE {name} <> 0"
        for table, names, other in (
            ("traffic", TRAFFIC, "status, '' AS script"),
            ("workers", WORKERS, "'' AS status, script"),
        )
        for name in names
    ]
    return f"""
    CREATE TABLE facts AS
    WITH bounded AS MATERIALIZED (
        SELECT meant.* EXCLUDE (path),
            CASE WHEN kept.path IS NULL THEN {literal(OTHER)} ELSE meant.path END AS path
        FROM meant LEFT JOIN kept USING (hour, zone, host, path)),
    traffic AS MATERIALIZED (SELECT hour, zone, host, path, status, {_sums(TRAFFIC)} FROM bounded GROUP BY ALL),
    workers AS MATERIALIZED (
        SELECT hour, zone, host, path, script, {_sums(WORKERS)} FROM bounded
        WHERE {" + ".join(WORKERS)} > 0 GROUP BY ALL)
    SELECT make_timestamp(hour * 1000000) AS hour, metric,
        CAST({amount} AS DECIMAL(38,18)) AS quantity,
        unit, '' AS account, zone, host, path AS path_prefix, status AS cache_status, script,
        '' AS bucket, '' AS storage_class, {str(bool(factor)).lower()} AS is_sampled
    FROM ({" UNION ALL ".join(rows)})
    """


def _sums(names: Sequence[str]) -> str:
    return ", ".join(f"sum({name}) AS {name}" for name in names)


SPANS = {
    "facts": "SELECT CAST(hour AS DATE) AS day, min(hour), max(hour), count(*) FROM facts GROUP BY day",
    "keys": (
        "SELECT CAST(make_timestamp(hour * 1000000) AS DATE) AS day, make_timestamp(min(hour) * 1000000), "
        "make_timestamp(max(hour) * 1000000), count(*) FROM firsts GROUP BY day"
    ),
}
"""For each kind of file: its days, with first and last hour and number of rows."""


def write(kind: str, day: str, path: str) -> str:
    """Write one day of ``facts`` or ``keys`` as Parquet."""
    rows = {
        "facts": "SELECT * FROM facts WHERE CAST(hour AS DATE) = DATE {day}",
        "keys": (
            "SELECT make_timestamp(hour * 1000000) AS hour, key FROM firsts "
            "WHERE CAST(make_timestamp(hour * 1000000) AS DATE) = DATE {day}"
        ),
    }[kind].format(day=literal(day))
    return f"COPY ({rows}) TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)"


BY_DAY = """
SELECT CAST(hour AS DATE) AS day, zone, host, cache_status, script, metric, sum(quantity)
FROM facts GROUP BY ALL
"""


def _listed(files: Sequence[str]) -> str:
    return f"[{', '.join(map(literal, files))}]"

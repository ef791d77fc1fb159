"""Time-stamp responses as files: every ``*.tsr`` of a folder or bucket, DER as RFC 3161 has it.

Whose one is says its key or a file beside it (``ingestion.core.tsa_tenants``). A response is identified by its
SHA-256, so a copy under another key counts nothing. A rejection bears nothing of its own (the TSA may answer two
requests with the same bytes), so its identity takes the key in, and it counts when it is first seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256

from ingestion.core.delivery import Problem, SourceError
from ingestion.core.object_keys import problem_with
from ingestion.core.tsa import Aside, RefusedError, TokenBatch, TokenRecord
from ingestion.core.tsa_tenants import (
    MAX_SIDECAR_BYTES,
    SIDECAR,
    Sidecar,
    TenantRules,
    read_sidecar,
    tenant_of,
)
from ingestion.core.tsr import MAX_BYTES, read_response
from ingestion.locations.base import Entry, Location, SourceUnavailableError
from ingestion.registry import TokenObject

_SUFFIX = ".tsr"


class TsaResponses:
    """Reads responses; the place is the source."""

    id = "tsa_responses"
    title = "Time-stamp responses (.tsr)"
    service_provider_name = "TSA"
    produces = "tokens"
    expected_every_hours = 6
    """An archive is quiet for hours at night; a site that stamps around the clock may set fewer."""

    def objects(self, location: Location) -> Iterator[TokenObject | Problem]:
        """Each response with its file beside it, in the order of keys: nothing is held but the last one."""
        waiting: Entry | None = None
        beside: Entry | None = None
        for entry in location.entries():
            if waiting and entry.key == waiting.key + SIDECAR:
                beside = entry
                continue
            if waiting and not entry.key.startswith(waiting.key):
                yield TokenObject(waiting, beside)
                waiting = beside = None
            if not entry.key.lower().endswith(_SUFFIX):
                continue
            if problem := problem_with(entry.key):
                yield Problem(problem)
                continue
            if waiting:
                yield TokenObject(waiting, beside)
            waiting, beside = entry, None
        if waiting:
            yield TokenObject(waiting, beside)

    def read_tokens(
        self,
        location: Location,
        objects: Sequence[TokenObject],
        *,
        rules: TenantRules,
        now: datetime,
        advance: Callable[[int], None],
    ) -> Iterator[TokenBatch]:
        """One piece. Raises ``SourceUnavailableError``."""
        tokens: list[TokenRecord] = []
        asides: list[Aside] = []
        done: list[bytes] = []
        later: list[str] = []
        size = 0
        for one in objects:
            key = one.entry.key
            advance(one.entry.size)
            try:
                beside, problem = _beside(location, one)
                if problem:
                    asides.append(problem)
                tokens.append(_token(location, one.entry, beside, rules, now))
            except RefusedError as error:
                asides.append(Aside(key, f"{key}: {error}."))
            except SourceUnavailableError:
                raise
            except (SourceError, OSError) as error:
                later.append(
                    f"{key}: it cannot be read now ({error}); it is tried at the next look."
                )
                continue
            done.append(one.name)
            size += one.entry.size
        yield TokenBatch(
            tuple(tokens),
            asides=tuple(asides),
            objects=tuple(done),
            bytes=size,
            later=tuple(later),
        )


def _beside(location: Location, one: TokenObject) -> tuple[Sidecar, Aside | None]:
    """What the file beside says; one that says nothing usable is put aside, and the response is nobody's."""
    entry = one.sidecar
    if entry is None:
        return Sidecar(), None
    try:
        if entry.size > MAX_SIDECAR_BYTES:
            msg = f"it is larger than {MAX_SIDECAR_BYTES >> 10} kB"
            raise RefusedError(msg)
        return read_sidecar(location.read(entry, MAX_SIDECAR_BYTES)), None
    except RefusedError as error:
        return Sidecar(), Aside(entry.key, f"{entry.key}: {error}.")


def _token(
    location: Location, entry: Entry, beside: Sidecar, rules: TenantRules, now: datetime
) -> TokenRecord:
    if entry.size > MAX_BYTES:
        msg = f"it is larger than {MAX_BYTES >> 10} kB, which no time-stamp response is"
        raise RefusedError(msg)
    content = location.read(entry, MAX_BYTES)
    found = read_response(content, now=now)
    has_token = found.status.has_token
    identity = content if has_token else content + b"\0" + entry.key.encode()
    return TokenRecord(
        identity=sha256(identity).digest(),
        at=found.at or (beside.at or now).replace(microsecond=0),
        status=found.status,
        tenant=beside.tenant or tenant_of(entry.key, rules),
        account=rules.account,
        hash_algorithm=found.hash_algorithm,
        digest=found.digest,
        serial=found.serial,
        policy=found.policy,
        failure=found.failure,
        place=entry.key,
    )


SOURCE = TsaResponses()

"""Egress in money: what the origin sent is the origin's cost, what the edge sent is the contract's. Pure.

One gigabyte that goes from S3 through Cloudflare to an eyeball is paid once: AWS charges for leaving the
origin; Cloudflare charges nothing unless a contract says so; R2 never charges for egress. A cache hit has
no origin bytes. Bytes that the cache returned, and a zone's own estimates of edge bytes, are other views of
the same bytes and cost nothing again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from finops.core.amounts import EXACT, plain
from ingestion.core.meters import METERS
from ingestion.core.pricing import decimal_of, split_cost
from ingestion.core.usage import UsageFact

Key = tuple[str, ...]


@dataclass(frozen=True)
class Rate:
    """Money per byte: an average rate to share a month's cost, a marginal one to value a saving."""

    per_byte: Fraction
    currency: str


class OriginKind(StrEnum):
    """Where a host's origin is: a region of AWS, R2, or anywhere else, which no price list here covers."""

    AWS = "aws"
    R2 = "r2"
    OTHER = "other"


@dataclass(frozen=True)
class Origin:
    """The origin of a host; ``rate`` is that of its AWS region and account, R2 needs none."""

    kind: OriginKind
    rate: Rate | None = None


@dataclass(frozen=True)
class EgressLine:
    """Bytes of one meter for one key, and what they cost, ready to be a row of the ledger."""

    key: Key
    provider: str
    meter: str
    quantity: Decimal
    cost: Decimal
    currency: str


@dataclass(frozen=True)
class UnpricedEgress:
    """Bytes that left an origin which nobody has priced: they cost something, and it is not known what."""

    key: Key
    host: str
    quantity: Decimal
    sentence: str


@dataclass(frozen=True)
class _Charge:
    meter: str
    rate: Rate


def by_host_and_path(fact: UsageFact) -> Key:
    """The key of a fact where its tenant does not matter."""
    return (fact.host, fact.path_prefix)


def egress_costs(
    facts: Iterable[UsageFact],
    *,
    origins: Mapping[str, Origin],
    edge_rate: Rate,
    key: Callable[[UsageFact], Key] = by_host_and_path,
) -> tuple[list[EgressLine], list[UnpricedEgress]]:
    """Egress by key: origin bytes at the rate of their origin, edge bytes at ``edge_rate``.

    ``origins`` is by host, ``key`` says whom a fact belongs to (a tenant, a host and a path). Lines of one
    rate sum exactly to their bytes × rate, whatever the order of ``facts``. Raises ``PriceError`` where
    bytes are negative.
    """
    charged: dict[_Charge, dict[Key, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    unpriced: dict[tuple[Key, str], Decimal] = defaultdict(Decimal)
    for fact in facts:
        charge = _charge_of(fact, origins.get(fact.host), edge_rate)
        owner = key(fact)
        if charge is not None:
            charged[charge][owner] = EXACT.add(charged[charge][owner], fact.quantity)
        elif fact.metric == "origin_bytes":
            at = (owner, fact.host)
            unpriced[at] = EXACT.add(unpriced[at], fact.quantity)
    lines = [line for charge, by_key in charged.items() for line in _lines(charge, by_key)]
    return sorted(lines, key=lambda line: (line.key, line.meter, line.currency)), [
        UnpricedEgress(owner, host, quantity, _unpriced_sentence(host, quantity))
        for (owner, host), quantity in sorted(unpriced.items())
    ]


def _charge_of(fact: UsageFact, origin: Origin | None, edge_rate: Rate) -> _Charge | None:
    if fact.metric == "edge_bytes":
        return _Charge("edge_bytes", edge_rate)
    if fact.metric != "origin_bytes" or origin is None:
        return None
    if origin.kind is OriginKind.R2:
        return _Charge("r2_egress_bytes", Rate(Fraction(0), edge_rate.currency))
    if origin.kind is OriginKind.AWS and origin.rate is not None:
        return _Charge("egress_bytes", origin.rate)
    return None


def _lines(charge: _Charge, by_key: Mapping[Key, Decimal]) -> list[EgressLine]:
    """One line a key; in the order of keys, so that what rounding leaves falls alike in any order of facts."""
    total = sum((Fraction(quantity) for quantity in by_key.values()), Fraction(0))
    quantities = dict(sorted(by_key.items()))
    costs = split_cost(decimal_of(total * charge.rate.per_byte), quantities)
    return [
        EgressLine(
            key=owner,
            provider=METERS[charge.meter].provider,
            meter=charge.meter,
            quantity=quantity,
            cost=costs[owner],
            currency=charge.rate.currency,
        )
        for owner, quantity in quantities.items()
    ]


def _unpriced_sentence(host: str, quantity: Decimal) -> str:
    return (
        f"{plain(quantity)} bytes left the origin of {host}, which has no price here: "
        "say where it is and what it costs."
    )

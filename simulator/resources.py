"""The company's resources and their meters, built from the seed: ids, tags, sizes and base usage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

from simulator import catalogue, company, numbers, rhythm, seeded
from simulator.catalogue import Sku
from simulator.company import Shared, Tagging, Tenant
from simulator.rhythm import Rhythm

HOURS_A_MONTH = 730
_BIGGEST_SERVER = Decimal("2.6")  # USD an hour; more than that becomes another server
_MOST_SERVERS = 4
_DOWNLOADS_FROM = Decimal(150)  # USD a month of files: smaller tenants do not serve downloads
_COPIES = Decimal("0.004")  # USD a month: a few settings files are copied to the other region
_TEAMS = ("core", "growth", "data", "platform")
_WRONG_KEYS = ("Tennant", "tenat")


@dataclass(frozen=True)
class Resource:
    """One thing on the bill. ``tenant`` is whose it truly is; ``None`` is shared by all."""

    id: str
    role: str
    tenant: str | None
    account: str
    region: str
    zone: str
    tagging: Tagging
    tags: tuple[tuple[str, str], ...]
    in_tags_column: bool  # older resources show their tags in resource_tags only

    def tag_cells(self) -> tuple[str, str]:
        """The ``resource_tags`` and the ``tags`` cell as JSON text."""
        snake = {"user_" + key.lower(): value for key, value in self.tags}
        raw = {"resourceTags/user:" + key: value for key, value in self.tags}
        return json_text(snake), json_text(raw if self.in_tags_column else {})


@dataclass(frozen=True)
class Meter:
    """One stream of lines. ``base`` is the mean usage of one interval, in steps of 1e-10 unit."""

    key: str
    resource: Resource
    sku: Sku
    rate: int  # dollar steps per unit
    base: int
    cap: int  # the most usage of one interval, 0 for no limit
    egress: bool  # leaves AWS, so that the egress controls move it

    def mean_cost(self) -> int:
        """Dollar steps of one mean interval: what makes one meter bigger than another."""
        return numbers.cost_of(self.base, self.rate)


@dataclass(frozen=True)
class World:
    """Everything that stands still: accounts (key to id) and meters, in the order of the bill."""

    seed: int
    accounts: tuple[tuple[str, str], ...]
    meters: tuple[Meter, ...]
    credited: tuple[str, ...]  # keys of the meters that get the promotional credit

    def account_id(self, key: str) -> str:
        """The 12-digit id of an account."""
        return dict(self.accounts)[key]

    def resources(self) -> tuple[Resource, ...]:
        """Each resource once."""
        return tuple({meter.resource.id: meter.resource for meter in self.meters}.values())


def json_text(value: dict[str, str]) -> str:
    """A map column's text, as AWS prints it: no spaces, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=4)
def build(seed: int) -> World:
    """The company of one seed."""
    accounts = tuple(
        (key, seeded.digits(seed, "account", key, length=12)) for key in company.ACCOUNT_NAMES
    )
    ids = dict(accounts)
    meters = [m for t in company.TENANTS for m in _tenant_meters(seed, ids, t)]
    meters += [m for s in company.PLATFORM_RESOURCES for m in _shared_meters(seed, ids, s)]
    servers = [m for m in meters if m.sku.instance_type and m.resource.tenant]
    biggest = sorted(servers, key=lambda m: (-m.mean_cost(), m.key))[: company.CREDITED_METERS]
    return World(seed, accounts, tuple(meters), tuple(m.key for m in biggest))


def _tenant_meters(seed: int, ids: dict[str, str], tenant: Tenant) -> Iterator[Meter]:
    # Two companies with different seeds are not the same size to the dollar.
    drift = Decimal(seeded.between(seed, "size", tenant.slug, low=985, high=1015)) / 1000
    total = tenant.revenue * tenant.cost_share / 100 * drift
    budget = {part: total * share / 100 for part, share in tenant.mix.items()}

    def resource(role: str) -> Resource:
        return _tenant_resource(seed, ids[tenant.account], tenant, role)

    hourly = budget["app"] / HOURS_A_MONTH
    count = int((hourly / _BIGGEST_SERVER).to_integral_value(ROUND_CEILING))
    count = min(max(count, 1), _MOST_SERVERS)
    servers = [resource(f"app-{number + 1}") for number in range(count)]
    family = ("m5", "c5", "r5")[seeded.between(seed, "family", tenant.slug, low=0, high=2)]
    for server in servers:
        yield _server(server, family, budget["app"] / count)
    if "egress" in budget:
        yield _meter(servers[0], catalogue.EC2_EGRESS, budget["egress"])
    yield _meter(resource("db"), catalogue.DATABASE, budget["db"])
    files = resource("files")
    yield _meter(files, catalogue.S3_STORAGE, budget["files"] * 70 / 100)
    yield _meter(files, catalogue.S3_PUTS, budget["files"] * 12 / 100)
    yield _meter(files, catalogue.S3_GETS, budget["files"] * 8 / 100)
    yield _meter(files, catalogue.S3_COPIES, _COPIES)
    if budget["files"] >= _DOWNLOADS_FROM:
        yield _meter(files, catalogue.S3_EGRESS, budget["files"] * 10 / 100)
    if "fn" in budget:
        function = resource("fn")
        yield _meter(function, catalogue.FUNCTION_TIME, budget["fn"] * 92 / 100)
        yield _meter(function, catalogue.FUNCTION_CALLS, budget["fn"] * 8 / 100)
    if "cdn" in budget:
        edge = resource("cdn")
        yield _meter(edge, catalogue.CDN_EGRESS, budget["cdn"] * 93 / 100)
        yield _meter(edge, catalogue.CDN_REQUESTS, budget["cdn"] * 7 / 100)


def _shared_meters(seed: int, ids: dict[str, str], shared: Shared) -> Iterator[Meter]:
    resource = Resource(
        _resource_id(seed, shared.kind, shared.name, shared.region, ids[company.PLATFORM]),
        shared.name,
        None,
        company.PLATFORM,
        shared.region,
        shared.region + "a" if shared.kind == "node" else "",
        Tagging.PLATFORM,
        shared.tags,
        in_tags_column=True,
    )
    if shared.kind == "node":
        yield _server(resource, "m5", shared.monthly)
    elif shared.kind == "bucket":
        yield _meter(resource, catalogue.S3_STORAGE, shared.monthly * 90 / 100)
        yield _meter(resource, catalogue.S3_PUTS, shared.monthly * 10 / 100)
    elif shared.kind == "logs":
        yield _meter(resource, catalogue.LOGS, shared.monthly)
    elif shared.kind == "nat":
        yield _meter(resource, catalogue.NAT_HOURS, Decimal(0))
        yield _meter(resource, catalogue.NAT_BYTES, shared.monthly)
    elif shared.kind == "balancer":
        yield _meter(resource, catalogue.BALANCER_HOURS, Decimal(0))
        yield _meter(resource, catalogue.BALANCER_CAPACITY, shared.monthly)
    else:
        yield _meter(resource, catalogue.CLUSTER_HOURS, Decimal(0))


def _tenant_resource(seed: int, account_id: str, tenant: Tenant, role: str) -> Resource:
    tagging = company.GAPS.get(tenant.slug, {}).get(role, Tagging.CORRECT)
    dice = seeded.between(seed, "tags", tenant.slug, role, low=0, high=99)
    environment = "staging" if role == "app-2" else "production"
    if role in ("app-3", "app-4"):
        environment = "development"
    tags = [
        ("Environment", environment.title() if dice % 4 == 0 else environment),
        ("Product", tenant.product),
        ("Team", _TEAMS[dice % len(_TEAMS)]),
    ]
    if tagging is not Tagging.MISSING:
        # People do not agree on capitals, and the bill shows what they typed.
        value = tenant.slug.title() if dice % 5 == 1 else tenant.slug
        if tagging is Tagging.MISSPELT_VALUE:
            value = company.MISSPELT_VALUES[tenant.slug]
        key = _WRONG_KEYS[dice % 2] if tagging is Tagging.MISSPELT_KEY else "Tenant"
        tags.insert(0, (key, value))
    elif dice % 3 == 0:
        tags.clear()
    if role in company.NOTES.get(tenant.slug, {}):
        tags.append(("Note", company.NOTES[tenant.slug][role]))
    kind = role.split("-", maxsplit=1)[0]
    return Resource(
        _resource_id(seed, kind, f"{tenant.slug}-{role}", tenant.region, account_id),
        role,
        tenant.slug,
        tenant.account,
        tenant.region,
        tenant.region + "abc"[dice % 3] if kind == "app" else "",
        tagging,
        tuple(tags),
        in_tags_column=dice % 8 != 3,
    )


def _resource_id(seed: int, kind: str, name: str, region: str, account: str) -> str:
    """The id AWS prints for a thing of this kind: bare for servers and buckets, else an ARN."""
    # Names must not tell the tenant: what the bill knows is the account and the tags.
    mark = seeded.hex_text(seed, "resource", name, length=17)
    return {
        "app": f"i-{mark}",
        "node": f"i-{mark}",
        "db": f"arn:aws:rds:{region}:{account}:cluster:cluster-{mark.upper()}",
        "files": f"meridian-files-{mark[:10]}",
        "bucket": f"meridian-{name}-{mark[:10]}",
        "fn": f"arn:aws:lambda:{region}:{account}:function:worker-{mark[:8]}",
        "cdn": f"arn:aws:cloudfront::{account}:distribution/E{mark[:13].upper()}",
        "nat": f"arn:aws:ec2:{region}:{account}:natgateway/nat-{mark}",
        "cluster": f"arn:aws:eks:{region}:{account}:cluster/{name}",
        "logs": f"arn:aws:logs:{region}:{account}:log-group:/platform/{name}",
        "balancer": (
            f"arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{mark[:16]}"
        ),
    }[kind]


def _server(resource: Resource, family: str, monthly: Decimal) -> Meter:
    """The smallest server of ``family`` that carries the load with room for the day's peak."""
    wanted = monthly / HOURS_A_MONTH * Decimal("1.22")
    sizes = catalogue.INSTANCES[family]
    sku = next((s for s in sizes if s.rate(resource.region) >= wanted), sizes[-1])
    return _meter(resource, sku, monthly)


def _meter(resource: Resource, sku: Sku, monthly: Decimal) -> Meter:
    rate = numbers.from_decimal(sku.rate(resource.region))
    if sku.rhythm is Rhythm.FIXED:
        base = numbers.UNIT
    else:
        hourly = monthly / HOURS_A_MONTH * (24 if sku.daily else 1)
        base = numbers.from_decimal(hourly) * numbers.UNIT // rate
        base = base * 1_000_000 // rhythm.mean(sku.rhythm)
    return Meter(
        f"{resource.id}/{sku.usage_type}",
        resource,
        sku,
        rate,
        base,
        cap=numbers.UNIT if sku.instance_type else 0,
        egress=sku in (catalogue.EC2_EGRESS, catalogue.S3_EGRESS, catalogue.CDN_EGRESS),
    )

"""Usage of two Workers over two days before ``NOW``, one of them heavier since a deployment."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from ingestion.cloudflare.collect import SAMPLED
from ingestion.cloudflare.store import Check, Part, record_check, store_day, store_deployments
from ingestion.core.cloudflare_graphql import Aside
from ingestion.core.cloudflare_queries import WORKERS
from ingestion.core.cloudflare_rest import Deployment
from ingestion.core.usage import UsageFact
from ingestion.models import Connection, Source
from tests.dashboards.world import NOW

ACCOUNT = "a" * 32
MIDNIGHT = NOW.replace(hour=0, minute=0)
DEPLOYED = MIDNIGHT + timedelta(minutes=20)


def load_usage(problem: str = "", *, with_cpu: bool = True) -> None:
    """29 and 30 April: resizer from 10 to 30 ms a request, router at 0.5 ms."""
    connection, _ = Connection.objects.get_or_create(
        slug="edge",
        defaults={
            "kind": "cloudflare_usage",
            "location": "https://api.cloudflare.com/client/v4",
            "created_at": NOW,
        },
    )
    source, _ = Source.objects.get_or_create(
        kind="cloudflare_usage",
        identity=ACCOUNT,
        defaults={"slug": "cloudflare", "name": "Cloudflare usage", "created_at": NOW},
    )
    deployment = Deployment(ACCOUNT, "resizer", "d-1", DEPLOYED, "wrangler", "=Release 7", ())
    for day in (MIDNIGHT - timedelta(days=1), MIDNIGHT):
        facts = [
            fact
            for hour in range(12)
            for script, requests, each in (
                ("resizer", 1000 + hour, 10_000 if day < MIDNIGHT else 30_000),
                ("router", 50_000, 500),
            )
            for fact in _facts(day + timedelta(hours=hour), script, requests, each, with_cpu)
        ]
        store_day(
            source=source,
            day=day.date(),
            facts=facts,
            parts=[Part(WORKERS.metrics)],
        )
    store_deployments(source=source, deployments=[deployment])
    capabilities = {
        "workersInvocationsAdaptive": "yes",
        "workersInvocationsAdaptive.cpuTimeUs": "yes" if with_cpu else "not in the schema",
        "billable_usage": "no (forbidden)",
    }
    check = Check(
        checked_at=NOW,
        window_start=MIDNIGHT,
        window_end=NOW,
        data_through=None if problem else NOW,
        capabilities=capabilities,
        problem=problem,
        rows=96,
        notes=(SAMPLED,),
        asides=(Aside("workersInvocationsAdaptive row 3", "it has no scriptName"),),
    )
    record_check(source=source, connection=connection, check=check)


def _facts(hour, script: str, requests: int, each: int, with_cpu: bool) -> list[UsageFact]:
    values = {"worker_requests": requests, "worker_cpu_us_p50": each, "worker_cpu_us_p99": each * 4}
    if with_cpu:
        values["worker_cpu_us"] = requests * each
    return [
        UsageFact(hour, metric, Decimal(value), account=ACCOUNT, script=script, is_sampled=True)
        for metric, value in values.items()
    ]

"""The reconciliation page also says what is loaded from where, and how billed cost becomes effective."""

from __future__ import annotations

from decimal import Decimal

from allocation.bridges import bridge
from allocation.selectors import reconciliation
from finops import clock, job_table
from finops.core.amounts import exact_sum
from finops.models import Job
from ingestion.models import Connection


def test_the_bridge_begins_at_what_is_ingested(alice):
    rows = bridge()
    assert exact_sum(row.billed_cost for row in rows) == exact_sum(
        row.ingested for row in reconciliation()
    )
    page = alice.get("/reconciliation/").content.decode()
    assert "From billed to effective cost" in page
    assert exact_sum(row.change for row in rows) == Decimal(
        exact_sum(row.effective_cost for row in rows) - exact_sum(row.billed_cost for row in rows)
    )


def test_running_work_and_its_progress_stand_on_the_page(alice):
    Connection.objects.create(
        slug="bills", kind="aws_cur", location="/srv/bills", created_at=clock.now()
    )
    job_table.enqueue(kind="collect", subject="bills")
    job = job_table.claim(worker="w", now=clock.now())
    assert job
    job_table.heartbeat(job, stage="reading", done=1, total=4)
    page = alice.get("/reconciliation/").content.decode()
    assert "/srv/bills" in page
    assert "reading 25 %" in page
    job_table.fail(job, "The bucket <b>does not</b> answer.", final=True)
    page = alice.get("/reconciliation/").content.decode()
    assert "The bucket &lt;b&gt;does not&lt;/b&gt; answer." in page
    assert Job.objects.get().state == "failed"

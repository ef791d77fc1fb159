"""Every page that the browser looks at; ``tests/contracts/test_pages_looked_at.py`` finds one that is missing."""

from __future__ import annotations

APRIL = "period=2026-04&granularity=month"
PAGES = {
    "overview": "/",
    "tenants": f"/tenants/?{APRIL}",
    "statement": f"/tenants/acme/?{APRIL}&compare=previous",
    "statement by day": "/tenants/globex/?period=2026-04&compare=previous",
    "unsettled": "/tenants/acme/?from=2026-04-03&to=2026-04-03",
    "services": f"/tenants/acme/services/?{APRIL}&category=Compute",
    "lines": f"/tenants/acme/lines/?{APRIL}&environment=staging",
    "unallocated": f"/unallocated/lines/?{APRIL}",
    "workers": "/workers-cpu/?from=2026-04-29&to=2026-04-30",
    "egress": "/egress/?from=2026-04-29&to=2026-04-30",
    "egress of a log": "/egress/?from=2026-04-19&to=2026-04-21",
    "time stamps": "/time-stamps/?period=2026-04",
    "no time stamps": "/time-stamps/?period=2026-02",
    "reconciliation": "/reconciliation/",
    "no data": "/tenants/acme/?period=2025-01",
    "data health": "/data-health/",
    "put aside from logs": "/data-health/put-aside/",
    "restatement": "/data-health/restatements/{restatement}/",
    "month close": "/month-close/",
    "audit log": "/audit-log/?verify=chain",
    "rejects": "/data-health/deliveries/{rejects}/rejects/",
}
BOTH = "from=2026-03-01&to=2026-04-30&granularity=month"
CLOSED = {
    "closed month": "/month-close/?period=2026-03&verify=chain",
    "as reported": f"/tenants/acme/?{BOTH}&basis=reported",
    "tenants with a closed month": f"/tenants/?{BOTH}",
    "audit log with a close": "/audit-log/?verify=chain",
}
"""Looked at last, when March is closed."""
NO_PAGES = {
    "work-part": "a part of Data health, which is looked at whole",
    "focus-export": "a download",
    "month-journal": "a download",
}
"""Addresses that answer to GET and are no page, each with the reason."""

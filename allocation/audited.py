"""The deeds of this app that stand in the audit log, in words."""

from __future__ import annotations

from finops.audit_verbs import Verb

VERBS = (
    Verb(
        "month.close",
        "Closed a month",
        {
            "state": "State",
            "digest": "Digest of the figures",
            "accepted": "Open items accepted",
            "billed_cost": "Billed cost",
            "effective_cost": "Effective cost",
            "revenue": "Revenue",
        },
    ),
    Verb(
        "month.reopen",
        "Opened a month again",
        {
            "state": "State",
            "digest": "Digest of the figures",
            "adjustments_taken_back": "Adjustments taken back",
        },
    ),
)

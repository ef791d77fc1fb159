"""The deeds of this app that stand in the audit log, in words."""

from __future__ import annotations

from finops.audit_verbs import Verb

VERBS = (
    Verb("alert.acknowledge", "Acknowledged an alert", {"sentence": "The alert said"}),
    Verb(
        "alert.ask_again",
        "An acknowledged alert asked again",
        {"sentence": "The alert said", "acknowledged_by": "Acknowledged by"},
    ),
)

"""FOCUS names: the closed lists of the specification and the column order of a charge line.

Source: FinOps Open Cost and Usage Specification 1.2 (focus.finops.org), columns in snake_case; what
FOCUS does not name carries the prefix ``x_``.
"""

from __future__ import annotations

from enum import StrEnum


class ChargeCategory(StrEnum):
    """FOCUS ChargeCategory: what kind of charge a line is."""

    USAGE = "Usage"
    PURCHASE = "Purchase"
    TAX = "Tax"
    CREDIT = "Credit"
    ADJUSTMENT = "Adjustment"


class ServiceCategory(StrEnum):
    """FOCUS ServiceCategory: the core function of a service, the closed list of 1.0 to 1.4."""

    ANALYTICS = "Analytics"
    BUSINESS = "Business Applications"
    COMPUTE = "Compute"
    DATABASES = "Databases"
    DEVELOPER_TOOLS = "Developer Tools"
    IDENTITY = "Identity"
    INTEGRATION = "Integration"
    INTERNET_OF_THINGS = "Internet of Things"
    MANAGEMENT = "Management and Governance"
    MEDIA = "Media"
    MIGRATION = "Migration"
    MOBILE = "Mobile"
    MULTICLOUD = "Multicloud"
    NETWORKING = "Networking"
    SECURITY = "Security"
    STORAGE = "Storage"
    WEB = "Web"
    AI = "AI and Machine Learning"
    OTHER = "Other"


class Granularity(StrEnum):
    """How fine the provider's line is; only hour-native rows may make an hourly chart."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class CostKind(StrEnum):
    """Whether a ledger row is on the bill, estimated before it, or corrects an estimate."""

    BILLED = "billed"
    ESTIMATED = "estimated"
    TRUE_UP = "true-up"

"""Charge lines become each tenant's ledger and P&L."""

from django.apps import AppConfig


class AllocationConfig(AppConfig):
    """Charge lines become each tenant's ledger and P&L."""

    name = "allocation"

"""Pages over the selectors of all other apps."""

from django.apps import AppConfig


class DashboardsConfig(AppConfig):
    """Pages over the selectors of all other apps."""

    name = "dashboards"

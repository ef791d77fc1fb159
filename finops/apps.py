"""The shared kernel: money, periods, tenants, permissions, redacted logs."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class FinopsConfig(AppConfig):
    """The shared kernel of every other app."""

    name = "finops"

    def ready(self) -> None:
        """Keep the groups in step with the code, and tracebacks free of secrets."""
        from finops.groups import ensure_groups  # noqa: PLC0415  # needs loaded models
        from finops.logs import install_excepthook  # noqa: PLC0415  # needs settings

        post_migrate.connect(ensure_groups, dispatch_uid="finops.groups.ensure_groups")
        install_excepthook()

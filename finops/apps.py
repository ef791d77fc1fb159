"""The shared kernel: money, periods, tenants, permissions, redacted logs."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class FinopsConfig(AppConfig):
    """The shared kernel of every other app."""

    name = "finops"

    def ready(self) -> None:
        """Keep groups and triggers in step with the code, and tracebacks free of secrets."""
        from finops.audit_triggers import install_after_migrate  # noqa: PLC0415  # as below
        from finops.groups import ensure_groups  # noqa: PLC0415  # needs loaded models
        from finops.logs import install_excepthook  # noqa: PLC0415  # needs settings

        post_migrate.connect(ensure_groups, dispatch_uid="finops.groups.ensure_groups")
        post_migrate.connect(
            install_after_migrate, sender=self, dispatch_uid="finops.audit_triggers"
        )
        install_excepthook()

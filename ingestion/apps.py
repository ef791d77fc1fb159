"""Provider bytes become charge lines in the lake."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class IngestionConfig(AppConfig):
    """Provider bytes become charge lines in the lake."""

    name = "ingestion"

    def ready(self) -> None:
        """Keep the vendors' list prices in the database."""
        from ingestion.price_services import ensure_list_prices  # noqa: PLC0415  # needs loaded models

        post_migrate.connect(
            ensure_list_prices, sender=self, dispatch_uid="ingestion.ensure_list_prices"
        )

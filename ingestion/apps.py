"""Provider bytes become charge lines in the lake."""

from django.apps import AppConfig


class IngestionConfig(AppConfig):
    """Provider bytes become charge lines in the lake."""

    name = "ingestion"

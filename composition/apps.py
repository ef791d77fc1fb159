"""The composition root: commands that span the house."""

from django.apps import AppConfig


class CompositionConfig(AppConfig):
    """The composition root: commands that span the house."""

    name = "composition"

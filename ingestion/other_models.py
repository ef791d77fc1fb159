"""The rooms of this app's other tables: Django finds them through ``ingestion.models``, which imports this file."""

from ingestion import (  # noqa: F401
    cloudflare_models,
    estimate_models,
    invoice_models,
    origin_models,
    price_models,
    tsa_models,
    usage_api_models,
    usage_models,
)

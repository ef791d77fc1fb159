"""Settings of the REST framework and of the document that describes the API; read by ``finops.settings``."""

from __future__ import annotations

from typing import Any

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["finops.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["finops.api.needs.NeedsItsCapability"],
    "DEFAULT_THROTTLE_CLASSES": ["finops.api.throttles.TokenThrottle"],
    "DEFAULT_PARSER_CLASSES": ["finops.api.parsing.StrictJsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "finops.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "FinOps Cost Engine",
    "DESCRIPTION": "Revenue, cost and gross margin of every tenant, what was delivered, and usage to be sent. "
    "Money and quantities are exact decimal strings; times are UTC; spans include their start, not their end.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "finops.api.document.describe_errors",
    ],
}

"""The WSGI entry point: `gunicorn finops.wsgi`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops.settings")
_django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The whole product. Bodies are UTF-8: any other charset is left out of the Content-Type.

    Django takes the name of every codec of Python for one of text, also zlib, and fails before its handlers.
    """
    sent = environ.get("CONTENT_TYPE", "")
    try:
        kind, parameters = parse_header_parameters(sent)
    except (ValueError, LookupError):  # no header that anybody could read
        kind, parameters = "", {"charset": ""}
    if parameters.pop("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        others = (f'; {name}="{value}"' for name, value in parameters.items())
        environ["CONTENT_TYPE"] = kind + "".join(others)
    return _django(environ, start_response)

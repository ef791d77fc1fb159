"""Everything below ``/api``: the rooms' addresses, the document that describes them, and 404."""

from django.urls import include, path, re_path

from finops.api.document import ApiDocument
from finops.api.problems import no_such_route
from finops.api.routes import routes

urlpatterns = [
    path("api/v1/", include([*routes(), path("openapi.json", ApiDocument.as_view())])),
    # Not a point, which leaves line feeds out: an address that holds one is a wrong address, too.
    re_path(r"^api(?:/[\s\S]*)?\Z", no_such_route),
]

"""The addresses of all pages: each room declares its own (``dashboards/views/*.py``)."""

from dashboards.navigation import patterns

urlpatterns = patterns()

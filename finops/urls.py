"""The product's addresses; every view needs sign-in unless it says otherwise (LoginRequiredMiddleware)."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import include, path
from django.views.decorators.http import require_safe

from finops.health import healthz, readyz


@require_safe
@login_not_required
def favicon(_request: HttpRequest) -> HttpResponseRedirect:
    """The mark, for what asks at the root: Django's admin and old browsers do."""
    return HttpResponseRedirect(staticfiles_storage.url("img/mark.svg"))


urlpatterns = [
    path("favicon.ico", favicon, name="favicon"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("sign-in/", LoginView.as_view(redirect_authenticated_user=True), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("admin/", admin.site.urls),
    path("", include("finops.api.urls")),
    path("", include("dashboards.urls")),
]

handler400 = "finops.api.problems.bad_request"
handler500 = "finops.api.problems.server_error"

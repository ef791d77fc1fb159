"""The product's addresses; every view needs sign-in unless it says otherwise (LoginRequiredMiddleware)."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from finops.health import healthz, readyz

urlpatterns = [
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

"""Where everything is: one include per room, by name."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from hedis.lib import problem
from hedis.lib.schema import Docs

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="root"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("hedis.members.api")),
    path("api/v1/", include("hedis.measures.api")),
    path("api/v1/", include("hedis.gaps.api")),
    path("api/v1/", include("hedis.stars.api")),
    path("api/v1/", include("hedis.stars.snapshot_api")),
    path("api/v1/", include("predictions.api")),
    path("api/v1/", include("predictions.uplift_api")),
    # Before the predictions, whose addresses would read "portfolio" as an id.
    path("api/v1/", include("predictions.runs_api")),
    path("api/v1/", include("predictions.scores_api")),
    path("api/v1/", include("interventions.api")),
    path("api/v1/", include("interventions.campaign_api")),
    path("api/v1/", include("interventions.outlook_api")),
    path("api/v1/", include("interventions.money_api")),
    path("api/v1/", include("interventions.simulation_api")),
    path("api/v1/", include("interventions.velocity_api")),
    path("api/v1/", include("interventions.plan_api")),
    path("fhir/", include("hedis.gaps.fhir.api")),
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", Docs.as_view(url_name="api-schema"), name="api-docs"),
    re_path(r"^api/", problem.unknown_address),
]

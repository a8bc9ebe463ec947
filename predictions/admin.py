"""The list of models, and one model's page, where the next step is taken."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString

from hedis.lib.modeladmin import ReadOnlyAdmin
from hedis.lib.templatetags import portfolio
from predictions import model_page, monitoring, registry, waiving
from predictions import run_admin as run_admin
from predictions import score_admin as score_admin
from predictions import uplift_admin as uplift_admin
from predictions.model_forms import DescriptionForm, StepForm, WaiverForm
from predictions.models import ModelVersion, State
from predictions.source_attributes import ATTRIBUTES

MAY_STEP = "predictions.add_modeltransition"
MAY_WAIVE = "predictions.add_waiver"
MAY_CHECK = "predictions.add_driftcheck"
MAY_DESCRIBE = "predictions.change_modelversion"


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Models come from training and move through the registry; nobody types one in."""

    list_display = ("full_name", "measure_code", "state_cell", "kind", "auc", "oe", "trained_by", "approved_by",
                    "created_at")  # fmt: skip
    list_filter = ("state", ("measure", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("measure",)
    search_fields = ("name", "version")
    change_form_template = "admin/predictions/model.html"
    change_list_template = "admin/predictions/list.html"

    @admin.display(description="model", ordering="name")
    def full_name(self, model: ModelVersion) -> str:
        return str(model)

    @admin.display(description="measure", ordering="measure__code")
    def measure_code(self, model: ModelVersion) -> str:
        return model.measure.code if model.measure else portfolio.DASH

    @admin.display(description="state", ordering="state")
    def state_cell(self, model: ModelVersion) -> SafeString:
        return portfolio.chip(model.get_state_display(), model_page.TONES[State(model.state)])

    @admin.display(description="AUC in training")
    def auc(self, model: ModelVersion) -> str:
        return model_page.figure(model.metrics.get("auc")).value

    @admin.display(description="O/E in training")
    def oe(self, model: ModelVersion) -> str:
        return model_page.figure(model.metrics.get("oe")).value

    def get_urls(self) -> list[Any]:
        """The form for attributes and card beside Django's own pages."""
        view = self.admin_site.admin_view(self.describe_view)
        return [path("<str:object_id>/describe/", view, name="predictions_modelversion_describe"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """GET shows the model; POST takes one step, waives the missed gates or checks it now."""
        model = self.model_at(request, object_id)
        if request.method != "POST":
            return self.page(request, model)
        action = request.POST.get("action", "step")
        if action == "waive":
            return self.take_waiver(request, model)
        return self.check_now(request, model) if action == "check" else self.take_step(request, model)

    def model_at(self, request: HttpRequest, object_id: str) -> ModelVersion:
        """The model at an address, for those who may see models."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        model = self.get_object(request, object_id)
        if not isinstance(model, ModelVersion):
            raise Http404("No model here.")
        return model

    def take_step(self, request: HttpRequest, model: ModelVersion) -> HttpResponse:
        """One step from the revision that was on the person's screen; a refusal keeps what was typed."""
        require(request, MAY_STEP)
        form = StepForm(request.POST)
        if form.is_valid():
            model.revision = form.cleaned_data["revision"]
            try:
                moved = registry.transition(model, form.cleaned_data["to"], why=form.cleaned_data["why"],
                                            by=request.user)  # fmt: skip
            except registry.RegistryError as refusal:
                form.add_error(None, str(refusal))
            else:
                return self.done(request, moved, f"{moved} is now “{moved.get_state_display()}”.")
        model.refresh_from_db()
        return self.page(request, model, form=form, status=409)

    def take_waiver(self, request: HttpRequest, model: ModelVersion) -> HttpResponse:
        """Answer for the gates the newest validation misses, as it was on the person's screen."""
        require(request, MAY_WAIVE)
        form, latest = WaiverForm(request.POST), model.latest_validation()
        if form.is_valid() and latest is not None:
            latest.model = model
            model.revision = form.cleaned_data["revision"]
            try:
                waiving.waive(latest, why=form.cleaned_data["waive_why"], by=request.user)
            except registry.RegistryError as refusal:
                form.add_error(None, str(refusal))
            else:
                return self.done(request, model, "The missed gates are waived, in your name.")
        model.refresh_from_db()
        return self.page(request, model, waiver_form=form, status=409)

    def check_now(self, request: HttpRequest, model: ModelVersion) -> HttpResponse:
        """Look at the model's newest scores now."""
        require(request, MAY_CHECK)
        try:
            check = monitoring.check(model, by=request.user)
        except (monitoring.NothingToWatch, registry.FileChanged) as refusal:
            messages.error(request, str(refusal))
            return self.page(request, model, status=409)
        return self.done(request, model, f"Checked: {check.get_level_display().lower()}.")

    def done(self, request: HttpRequest, model: ModelVersion, words: str) -> HttpResponse:
        """Say what was done, on the model's page."""
        messages.success(request, words)
        return HttpResponseRedirect(reverse("admin:predictions_modelversion_change", args=[model.pk]))

    def page(
        self,
        request: HttpRequest,
        model: ModelVersion,
        *,
        form: StepForm | None = None,
        waiver_form: WaiverForm | None = None,
        status: int = 200,
    ) -> HttpResponse:
        """The model's page."""
        user = request.user
        step_form, waiver_form = form or StepForm(), waiver_form or WaiverForm()
        context = {
            **self.framing(request, model),
            **model_page.contents(model),
            "steps": registry.steps_for(model, user),
            "is_own": registry.name_of(user) == model.trained_by,
            "may_step": user.has_perm(MAY_STEP),
            "may_waive": user.has_perm(MAY_WAIVE) and registry.name_of(user) != model.trained_by,
            "may_check": user.has_perm(MAY_CHECK),
            "may_describe": user.has_perm(MAY_DESCRIBE) and model.state in registry.DESCRIBABLE,
            "form": step_form,
            "waiver_form": waiver_form,
            "asked": [step_form, waiver_form],
        }
        return TemplateResponse(request, self.change_form_template, context, status=status)

    def framing(self, request: HttpRequest, model: ModelVersion) -> dict[str, Any]:
        """What the frame around a model's pages needs."""
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": model,
            "model": model,
            "title": str(model),
            "list_title": self.named(),
        }

    def describe_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET shows the attributes to fill in; POST keeps those that changed."""
        model = self.model_at(request, object_id)
        require(request, MAY_DESCRIBE)
        form = DescriptionForm(model, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            attributes, card = form.changed_attributes(), form.changed_card()
            model.revision = form.cleaned_data["revision"]
            try:
                described = registry.describe(model, attributes=attributes, card=card, by=request.user)
            except registry.RegistryError as refusal:
                form.add_error(None, str(refusal))
            else:
                missing = len(described.missing_attributes())
                messages.success(request, f"Kept: {len(ATTRIBUTES) - missing} of {len(ATTRIBUTES)} attributes.")
                return HttpResponseRedirect(reverse("admin:predictions_modelversion_describe", args=[model.pk]))
        context = {
            **self.framing(request, model),
            "form": form,
            "total": len(ATTRIBUTES),
            "open": model.state in registry.DESCRIBABLE,
        }
        template = "admin/predictions/describe.html"
        return TemplateResponse(request, template, context, status=409 if form.errors else 200)


def require(request: HttpRequest, permission: str) -> None:
    """Refuse whose role does not include it."""
    if not request.user.has_perm(permission):
        raise PermissionDenied

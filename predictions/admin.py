"""The list of models, and one model's page, where the next step is taken."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from hedis.lib.modeladmin import ReadOnlyAdmin
from hedis.lib.templatetags import portfolio
from predictions import model_page, registry
from predictions.models import ModelVersion, State

MAY_STEP = "predictions.add_modeltransition"


class StepForm(forms.Form):
    """The next state and the reason for it, decided on the revision that was on the screen."""

    to = forms.ChoiceField(label="Next step", choices=State.choices)
    why = forms.CharField(label="Why", max_length=2000)
    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=1)


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

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """GET shows the model; POST takes one step."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        model = self.get_object(request, object_id)
        if not isinstance(model, ModelVersion):
            raise Http404("No model here.")
        if request.method == "POST":
            return self.take_step(request, model)
        return self.page(request, model, StepForm())

    def take_step(self, request: HttpRequest, model: ModelVersion) -> HttpResponse:
        """One step from the revision that was on the person's screen; a refusal keeps what was typed."""
        if not request.user.has_perm(MAY_STEP):
            raise PermissionDenied
        form = StepForm(request.POST)
        if form.is_valid():
            model.revision = form.cleaned_data["revision"]
            try:
                moved = registry.transition(model, form.cleaned_data["to"], why=form.cleaned_data["why"],
                                            by=request.user)  # fmt: skip
            except registry.RegistryError as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, f"{moved} is now “{moved.get_state_display()}”.")
                return HttpResponseRedirect(reverse("admin:predictions_modelversion_change", args=[moved.pk]))
        model.refresh_from_db()
        return self.page(request, model, form, status=409)

    def page(self, request: HttpRequest, model: ModelVersion, form: StepForm, status: int = 200) -> HttpResponse:
        """The model's page."""
        context = {
            **self.admin_site.each_context(request),
            **model_page.contents(model),
            "opts": self.opts,
            "original": model,
            "title": str(model),
            "list_title": self.named(),
            "steps": registry.steps_for(model, request.user),
            "is_own": registry.name_of(request.user) == model.trained_by,
            "may_step": request.user.has_perm(MAY_STEP),
            "form": form,
        }
        return TemplateResponse(request, self.change_form_template, context, status=status)

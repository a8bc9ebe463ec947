"""The list of counties' figures, one to enter or correct, a file to upload; what nobody should count any more is
withdrawn."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hedis.lib.modeladmin import ReadOnlyAdmin
from hedis.lib.templatetags import portfolio
from hedis.members.models import Contract
from interventions import counties, county_file
from interventions.models import CountyFigures, CountyFiguresQuerySet
from interventions.money import AMOUNTS, ImpossibleInput

MAY_ENTER = "interventions.add_countyfigures"
LIST = "admin:interventions_countyfigures_changelist"
LARGEST_FILE = 2_000_000
ERRORS_SHOWN = 20


class CountyForm(forms.ModelForm):
    """One county's figures, checked as an imported row is."""

    class Meta:
        model = CountyFigures
        fields = ("contract", "payment_year", "name", *AMOUNTS, "double_county", "cap", "source")

    def clean(self) -> dict[str, Any]:
        """What cannot be kept is said at the field it concerns, or names it."""
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                counties.check([counties.county_of(cleaned)], cleaned["payment_year"], cleaned["source"])
            except ImpossibleInput as refusal:
                self.add_error(None, str(refusal))
            except counties.UnusableFigures as refusal:
                self.add_error(refusal.field if refusal.field in self.fields else None, refusal.reason)
        return cleaned

    def _post_clean(self) -> None:
        """The row is made by the verb, which also supersedes; the model's own uniqueness would refuse a correction."""


class UploadForm(forms.Form):
    """The whole of a contract's payment year as a file."""

    contract = forms.ModelChoiceField(label="Contract", queryset=Contract.objects.order_by("number"))
    payment_year = forms.IntegerField(label="Payment year", min_value=2000, max_value=counties.LAST_YEAR)
    source = forms.CharField(label="Source", max_length=counties.LONGEST_SOURCE)
    file = forms.FileField(label="File", widget=forms.FileInput(attrs={"accept": ".csv"}))


class StandingFilter(admin.SimpleListFilter):
    """Figures that count, or those superseded or withdrawn."""

    title, parameter_name = "counts", "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Stands"), ("no", "Past")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        stands = {"yes": True, "no": False}.get(self.value() or "")
        return queryset if stands is None else queryset.filter(superseded_at__isnull=stands)


@admin.register(CountyFigures)
class CountyFiguresAdmin(ReadOnlyAdmin):
    """Figures are added; a correction supersedes, and nothing is changed or deleted."""

    form = CountyForm
    list_title = "Counties"
    list_display = ("name_cell", "payment_year", "base_cell", "cost_cell", "bid_cell", "months_cell", "risk_cell",
                    "source_cell", "stands_cell")  # fmt: skip
    list_filter = (("contract", admin.RelatedOnlyFieldListFilter), "payment_year", StandingFilter)
    list_select_related = ("contract",)
    search_fields = ("name", "source")
    sortable_by = ("name_cell", "payment_year")
    actions = ("withdraw_chosen",)
    change_list_template = "admin/money/counties.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_ENTER)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list, and for those who may enter the form to upload a file."""
        form = UploadForm(auto_id="upload_%s") if self.has_add_permission(request) else None
        return super().changelist_view(request, {"form": form, **(extra_context or {})})

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return (*self.list_display, "correct_cell") if self.has_add_permission(request) else self.list_display

    # --- columns

    @admin.display(description="county", ordering="name")
    def name_cell(self, row: CountyFigures) -> SafeString:
        chip = portfolio.chip("double bonus", "info") if row.double_county else ""
        return format_html('{} {}<span class="sub">{}</span>', row.name, chip, row.contract.number)

    @admin.display(description="base")
    def base_cell(self, row: CountyFigures) -> SafeString:
        cap = "" if row.cap is None else f"cap ${row.cap:,.2f}"
        return format_html('${}<span class="sub">{}</span>', f"{row.base:,.2f}", cap)

    @admin.display(description="fee for service")
    def cost_cell(self, row: CountyFigures) -> str:
        return f"${row.fee_for_service:,.2f}"

    @admin.display(description="bid")
    def bid_cell(self, row: CountyFigures) -> str:
        return f"${row.bid:,.2f}"

    @admin.display(description="member months")
    def months_cell(self, row: CountyFigures) -> str:
        return f"{row.member_months:,.0f}"

    @admin.display(description="risk score")
    def risk_cell(self, row: CountyFigures) -> str:
        return f"{row.risk_score.normalize():f}"

    @admin.display(description="source")
    def source_cell(self, row: CountyFigures) -> SafeString:
        return format_html('{}<span class="sub">entered {} by {}</span>', row.source, f"{row.entered_at:%Y-%m-%d}",
                           row.entered_by)  # fmt: skip

    @admin.display(description="counts")
    def stands_cell(self, row: CountyFigures) -> SafeString:
        if row.superseded_at is None:
            return portfolio.chip("stands", "good")
        return portfolio.chip("past", "", f"Superseded or withdrawn on {row.superseded_at:%Y-%m-%d}.")

    @admin.display(description="")
    def correct_cell(self, row: CountyFigures) -> SafeString | str:
        if row.superseded_at is not None:
            return ""
        address = reverse("admin:interventions_countyfigures_add")
        return format_html('<a href="{}?{}">Correct</a>', address, urlencode(filled_in(row)))

    # --- one entered, some withdrawn

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """The stored row: entering is a verb with its own history."""
        given = form.cleaned_data
        return counties.enter(
            counties.county_of(given), given["contract"], given["payment_year"], source=given["source"], by=request.user
        )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing left to save."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """A county has nothing that hangs on it."""

    @admin.action(description="Withdraw", permissions=["add"])
    def withdraw_chosen(self, request: HttpRequest, chosen: CountyFiguresQuerySet) -> None:
        """Take the chosen figures back, all or none; those past already stay as they are."""
        rows = list(chosen.standing())
        try:
            with transaction.atomic():
                for row in rows:
                    counties.withdraw(row, by=request.user)
        except counties.NotStanding as refusal:
            messages.error(request, f"Nothing was withdrawn. {refusal}")
            return
        messages.success(request, f"{len(rows)} count{pluralize(len(rows), 'y,ies')} withdrawn.")


def filled_in(row: CountyFigures) -> dict[str, Any]:
    """A county's figures as the form's address takes them."""
    shown = {field: getattr(row, field) for field in (*AMOUNTS, "cap")}
    return {
        "contract": row.contract_id, "payment_year": row.payment_year, "name": row.name, "source": row.source,
        **{field: "" if amount is None else f"{amount.normalize():f}" for field, amount in shown.items()},
        **({"double_county": "on"} if row.double_county else {}),
    }  # fmt: skip


def upload(request: HttpRequest) -> HttpResponse:
    """Keeps the file that was sent and says what it changed, or which rows are wrong. POST."""
    if not request.user.has_perm(MAY_ENTER):
        raise PermissionDenied
    if request.method == "POST":
        form = UploadForm(request.POST, request.FILES)
        if form.is_valid():
            take(request, form.cleaned_data)
        for name, errors in form.errors.items():
            messages.error(request, f"{form.fields[name].label}: {' '.join(map(str, errors))}")
    return redirect(LIST)


def take(request: HttpRequest, given: dict[str, Any]) -> None:
    """Keeps an upload; every refusal is a message, and then nothing was stored."""
    file, contract, year = given["file"], given["contract"], given["payment_year"]
    if file.size > LARGEST_FILE:
        messages.error(request, f"Nothing was stored. {file.name}: larger than {LARGEST_FILE:,} bytes.")
        return
    try:
        rows = county_file.read(file.read(), file.name)
        kept = counties.keep(rows, contract, year, source=given["source"], by=request.user)
    except county_file.UnusableFile as error:
        more = len(error.errors) - ERRORS_SHOWN
        for line in error.errors[:ERRORS_SHOWN]:
            messages.error(request, line)
        messages.error(request, f"Nothing was stored.{f' {more} more rows are wrong.' if more > 0 else ''}")
        return
    except counties.UnusableFigures as error:
        messages.error(request, f"Nothing was stored. {error}")
        return
    messages.success(
        request, f"{contract.number} {year}: {kept.read} read, {kept.added} added, {kept.superseded} superseded, "
        f"{kept.withdrawn} withdrawn, {kept.unchanged} unchanged.",
    )  # fmt: skip

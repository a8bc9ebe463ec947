"""What a rating is worth to the plan: every half star, the year's expected payment, and what outreach may cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from audit import ledger
from audit.models import Event
from hedis.gaps.models import FindingRun
from hedis.lib import csvfile
from hedis.members.models import Contract
from interventions import channel_costs, outlook, valuing
from interventions.channel_costs import Believed, Measured
from interventions.models import Plan, PlanItem
from interventions.money import cents, move
from interventions.money_charts import gains_chart
from interventions.outlook_charts import percent
from interventions.returns import break_even_chance
from interventions.states import Channel
from interventions.swinging import swings
from interventions.valuing import SHOWN, Money, NoFigures, Step

SEE_MONEY, SEE_PLANS = "interventions.view_countyfigures", "interventions.view_plan"
SEE_CAMPAIGNS = "interventions.view_campaign"
HEADER = [
    "contract", "measurement_year", "data_as_of", "payment_year", "figures_of_payment_year", "rating", "county",
    "member_months", "risk_score", "bid", "benchmark", "paid_for_bid", "paid_as_rebate", "of_it_by_bonus", "payment",
    "chance_apart", "chance_together",
]  # fmt: skip


def check_sees_money(request: HttpRequest) -> None:
    """What a plan is paid is for the roles that see bids. Raises PermissionDenied."""
    if not request.user.has_perm(SEE_MONEY):
        raise PermissionDenied


def money_list(request: HttpRequest) -> HttpResponse:
    """Every contract of a measurement year in dollars, each the way to its page."""
    check_sees_money(request)
    years = list(FindingRun.objects.order_by("-year").values_list("year", flat=True).distinct())
    asked = request.GET.get("year", "")
    year = next((one for one in years if str(one) == asked), years[0] if years else None)
    found = valuing.of_contracts(list(outlook.stamped(year)), year) if year else []
    lines = [one for one in found if isinstance(one, Money)]
    context = {
        **admin.site.each_context(request),
        "title": "Money",
        "year": year,
        "years": years,
        "lines": lines,
        "missing": [one for one in found if isinstance(one, NoFigures)],
        "pays_in": lines[0].figures.payment_year if lines else None,
        "reason": lines[0].figures.rules.discount_reason if lines else "",
        "may_enter": request.user.has_perm("interventions.add_countyfigures"),
    }
    return TemplateResponse(request, "admin/money/list.html", context)


def money_contract(request: HttpRequest, number: str, year: int) -> HttpResponse:
    """One contract in dollars; with `?format=csv` each county's payment at each rating as a file."""
    check_sees_money(request)
    found = valuing.of_contract(number, year)
    if found is None:
        raise Http404(f"No gaps of measurement year {year} were counted in {number}.")
    context = {**admin.site.each_context(request), "title": f"Money {number} {year}"}
    if isinstance(found, NoFigures):
        context |= {"missing": found, "may_enter": request.user.has_perm("interventions.add_countyfigures")}
        return TemplateResponse(request, "admin/money/missing.html", context)
    if request.GET.get("format") == "csv":
        return export(request, found)
    contract, sees = Contract.objects.get(number=number), request.user.has_perm(SEE_CAMPAIGNS)
    context |= {
        **ratings_of(found),
        "money": found,
        "figures": found.figures,
        "counties_link": counties_link(contract, found),
        "by_county": list(county_lines(found)),
        "plan": plan_line(found, contract, sees=request.user.has_perm(SEE_PLANS)),
        "believed": [believed_line(one) for one in channel_costs.believed()],
        "swings": swings(found.figures.counties, found.next_step.moved, found.figures.rules) if found.next_step else [],
        "measured": [measured_line(one, sees=sees) for one in channel_costs.measured(contract, year)],
    }  # fmt: skip
    return TemplateResponse(request, "admin/money/contract.html", context)


def ratings_of(found: Money) -> dict[str, Any]:
    """The worth of each rating and step, with the picture."""
    counties, rules = found.figures.counties, found.figures.rules
    gains = [move(counties, SHOWN[0], star, rules) for star in SHOWN]
    above = None if found.expected is None else found.expected - found.values[SHOWN[0]]
    apart, together = (found.outlook.independent, found.outlook.shared) if found.outlook else ({}, {})
    return {
        "chart": gains_chart(gains, found.rating, above),
        "ratings": [
            (star, amount, amount - found.values[SHOWN[0]], chance(apart.get(star, 0.0), apart),
             chance(together.get(star, 0.0), together))
            for star, amount in found.values.items()
        ],
        "steps": [step_line(one) for one in found.steps],
        "whole_bonus": max(found.steps, key=lambda one: one.moved.whole_bonus).moved,
        "falls": [percent(one) for one in found.falls] if found.falls else [],
        "present_expected": found.present(found.expected),
        "present_at_risk": found.present(found.at_risk),
    }  # fmt: skip


def chance(share: float, odds: Any) -> str:
    """A chance in words; empty without a projection."""
    return percent(share) if odds else ""


@dataclass(frozen=True)
class StepLine:
    """A step with its chances in words."""

    step: Step
    apart: str
    together: str


def step_line(one: Step) -> StepLine:
    """A step of the table."""
    return StepLine(one, *("" if each is None else percent(each) for each in (one.chance, one.shared)))


def county_lines(found: Money) -> Iterator[dict[str, Any]]:
    """Each county with its benchmark without and with the bonus, and what each step changes there."""
    first, last = (found.payments(star) for star in (SHOWN[0], SHOWN[-1]))
    for place, county in enumerate(found.figures.counties):
        yield {
            "county": county,
            "months": county.member_months * county.risk_score,
            "benchmarks": (first[place].benchmark, last[place].benchmark),
            "changes": [one.moved.counties[county.name] for one in found.steps],
        }


def counties_link(contract: Contract, found: Money) -> str:
    """The list of the figures that were used."""
    told = {"contract__id__exact": contract.pk, "payment_year": found.figures.of_year, "standing": "yes"}
    return f"{reverse('admin:interventions_countyfigures_changelist')}?{urlencode(told)}"


def plan_line(found: Money, contract: Contract, *, sees: bool) -> dict[str, Any] | None:
    """The newest plan of the contract and year against the next step: how much more chance covers what it spends on
    this contract."""
    plan = Plan.objects.filter(contracts=contract, year=found.year).first() if sees else None
    if plan is None:
        return None
    step = found.next_step
    spend = PlanItem.objects.chosen().filter(plan=plan, contract=contract).aggregate(all=Sum("cost", default=0))["all"]
    needed = break_even_chance(float(spend), float(step.present)) if step else None
    return {
        "plan": plan,
        "spend": spend,
        "link": reverse("admin:interventions_plan_change", args=[plan.pk]),
        "points": None if needed is None else 100 * needed,
        "never": step is not None and needed is None,
        "too_late": step is not None and step.chance is not None and needed is not None and needed > 1 - step.chance,
    }


def believed_line(one: Believed) -> dict[str, Any]:
    """An action's price and effect in words."""
    effect = one.effect
    return {
        "one": one,
        "effect": f"{100 * effect.value:+.1f} ({100 * effect.low:+.1f} to {100 * effect.high:+.1f})",
        "cost": cost_words(one.cost, one.cost_low, one.cost_high)
        if one.action.cost is not None
        else "no price entered",
    }


def cost_words(cost: float | None, low: float | None, high: float | None) -> str:
    """Dollars for one more closure with the interval; without an upper end where the effect may be nil."""
    if cost is None or low is None:
        return "no gain is shown"
    return f"${cost:,.2f} (${low:,.2f} to {'no limit' if high is None else f'${high:,.2f}'})"


def measured_line(one: Measured, *, sees: bool) -> dict[str, Any]:
    """A channel of a campaign by its hold-out, in words."""
    found = one.found
    told: dict[str, Any] = {
        "one": one,
        "channel": Channel(one.channel).label,
        "link": reverse("admin:interventions_campaign_change", args=[one.campaign]) if sees else "",
        "shares": [(arm, 100 * arm.closed / arm.gaps if arm.gaps else None) for arm in (one.treated, one.held_out)],
    }
    if found is None:
        return told
    closures = found.closures
    return told | {
        "closures": f"{closures.value:,.1f} ({closures.low:,.1f} to {closures.high:,.1f})",
        "cost": cost_words(found.cost_per_closure, found.low, found.high),
    }


def export(request: HttpRequest, found: Money) -> HttpResponse:
    """Each county's payment at each rating as CSV, to the cent; no member."""
    lines = list(csv_rows(found))
    with transaction.atomic():
        ledger.record(
            Event.Kind.EXPORT, "money.exported", object_type="contract", object_id=f"{found.contract}:{found.year}",
            row_count=len(lines), by=request.user,
        )  # fmt: skip
    return csvfile.download(f"money-{found.contract}-{found.year}.csv", HEADER, lines)  # type: ignore[return-value]


def csv_rows(found: Money) -> Iterator[list[Any]]:
    """The lines of the file, worst rating first."""
    figures, seen = found.figures, found.outlook
    as_of = seen.data_as_of.isoformat() if seen else None
    for star in found.values:
        odds = [f"{each.get(star, 0.0):.4f}" for each in (seen.independent, seen.shared)] if seen else [None, None]
        for county, paid in zip(figures.counties, found.payments(star), strict=True):
            amounts: list[Decimal] = [cents(each) for each in (paid.for_bid, paid.rebate, paid.bonus, paid.total)]
            yield [
                found.contract, found.year, as_of, figures.payment_year, figures.of_year, f"{star:.1f}", county.name,
                county.member_months, county.risk_score, county.bid, cents(paid.benchmark), *amounts, *odds,
            ]  # fmt: skip

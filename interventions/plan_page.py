"""What a plan's page says: what it reaches and what none can, stars and chances, prices in words, floors, the check."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from interventions import plan_storing
from interventions.models import Objective, Plan, PlanRun
from interventions.outlook_charts import percent

UNITS = {
    Objective.STARS: "stars of measures",
    Objective.WEIGHTED_STARS: "weighted stars of measures",
    Objective.DOLLARS: "dollars",
}


@dataclass(frozen=True)
class MeasureLine:
    """A measure of a plan: stars without and with it, closures it adds, chances, and the price of one closure.

    `chances`: of the star with the plan or a better one, without it and with it; None where none were stored.
    """

    contract: str
    code: str
    before: int
    after: int
    added: float | None
    expected: tuple[float, float] | None
    chances: tuple[float, float] | None
    price: float

    @property
    def chance_words(self) -> tuple[str, ...]:
        """The chances in percent."""
        return tuple(percent(chance) for chance in self.chances or ())

    @property
    def price_words(self) -> str:
        """What a closure is worth, as a director says it."""
        if not self.price:
            return "reached by the way" if self.after > self.before else "not being raised"
        return f"${self.price:,.2f} a closure"


@dataclass(frozen=True)
class ContractLine:
    """A contract's rating without and with the plan: expected stars, and the likeliest with its chance.

    `cost`: what the plan spends on it; `returned`: present dollars, where county figures were stored.
    """

    number: str
    rating: str
    expected: tuple[float | None, float | None]
    likeliest: tuple[str, str]
    cost: float | None
    returned: dict[str, Any] | None

    @property
    def pays(self) -> str:
        """The chance that the gain covers the cost."""
        return percent(self.returned["pays"]) if self.returned else ""


@dataclass(frozen=True)
class FloorLine:
    """An equity floor: closures reached, its price, and what it costs the objective. None where it was not asked."""

    name: str
    closures: float
    floor: float
    price: float
    lost: float | None
    closures_without: float | None


def contents(plan: Any, user: Any) -> dict[str, Any]:
    """Everything the page says about a plan. `plan` has its `numbers`."""
    return {
        "plan": plan,
        "unit": UNITS[Objective(plan.objective)],
        "numbers": plan.numbers,
        "measures": list(measure_lines(plan)),
        "contracts": list(contract_lines(plan)),
        "resources": plan.answer["resources"].items(),
        "floors": list(floor_lines(plan)),
        "equity": plan.answer.get("price_of_equity"),
        "nearly": plan.answer.get("nearly_chosen"),
        "nearest_kept": plan_storing.limits()["nearest_kept"],
        "left_out": plan.left_out.items(),
        "check": check_line(plan),
        "run": PlanRun.objects.filter(plan=plan).first(),
        "sees_money": user.has_perm("interventions.view_countyfigures"),
        "sees_members": user.has_perm("interventions.view_planitem"),
        "may_export": plan_storing.may_export(user),
        "may_campaign": plan.campaign_id is None and user.has_perm("interventions.add_campaign"),
    }


def measure_lines(plan: Any) -> Iterator[MeasureLine]:
    """The measures in the order of the problem."""
    prices = plan.answer["prices"]["measures"]
    for measure in plan.problem["measures"]:
        code, contract = measure["code"], measure.get("contract", plan.numbers[0])
        name = f"{contract}/{code}" if "contract" in measure else code
        stars = plan.answer["stars"][name]
        found = plan.outcomes.get(contract, {}).get("measures", {}).get(code)
        chances = [sum(side[stars["after"] - 1 :]) for side in found["chances"]] if found else None
        yield MeasureLine(
            contract, code, stars["before"], stars["after"], found["added"] if found else None,
            tuple(found["expected_stars"]) if found else None, (chances[0], chances[1]) if chances else None,
            prices[name],
        )  # fmt: skip


def contract_lines(plan: Any) -> Iterator[ContractLine]:
    """The ratings of the contracts, where they were stored."""
    for number, found in sorted(plan.outcomes.items()):
        likeliest = [likeliest_of(side) for side in found["chances"]]
        yield ContractLine(
            number, found["rating"], tuple(found["expected"]), (likeliest[0], likeliest[1]), found.get("cost"),
            found.get("return"),
        )  # fmt: skip


def likeliest_of(chances: dict[str, float]) -> str:
    """The likeliest rating and its chance, in words."""
    if not chances:
        return "not rated"
    star = max(chances, key=lambda one: chances[one])
    return f"{star} ({chances[star]:.0%})"


def floor_lines(plan: Any) -> Iterator[FloorLine]:
    """The floors with what they cost."""
    prices = plan.answer["prices"]["floors"]
    lost = plan.answer.get("price_of_equity", {}).get("floors", {})
    for name, one in plan.answer["floors"].items():
        cost = lost.get(name, {})
        yield FloorLine(
            name, one["closures"], one["floor"], prices[name], cost.get("objective"), cost.get("closures_without")
        )  # fmt: skip


def check_line(plan: Plan) -> str:
    """The command that recomputes the bound from the downloaded files."""
    folder = f"plan-{plan.pk}"
    return (
        f"manage.py check_plan --candidates {folder}/candidates.parquet --problem {folder}/problem.json "
        f"--plan {folder}/plan.parquet"
    )

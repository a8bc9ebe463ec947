"""`manage.py simulate --contract H1234 --year Y [--budget N] [what would be different] [--name NAME] [--json]`.

What a contract's stars, rating and dollars would be: with so much spent on outreach, by one strategy or several side by
side; with other closures; with other cut points, measures or weights; without the reward factor. `--scenario FILE`
takes the whole scenario as JSON (docs/simulations.md). With `--name` the simulation is kept. Exit 1 where the data or
the scenario say no, 2 for a wrong call.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from hedis.lib.commands import Command as BaseCommand
from hedis.lib.commands import Refused, WrongUse
from hedis.members.models import Contract
from hedis.stars import years
from interventions import projection, scenario_text, simulation, simulation_runs
from interventions.deciding import CHANNELS
from interventions.problem import OBJECTIVES, ProblemError
from interventions.scenario import scenario_of
from interventions.strategies import Strategy
from interventions.workflow import WorkflowError

# Options of the form MEASURE=NUMBER: the scenario's field, and how the number is read.
BY_MEASURE: dict[str, tuple[str, Callable[[str], Any]]] = {
    "close": ("closures", float), "close_rate": ("closure_rates", float), "cut_shift": ("cut_shifts", str),
    "weight": ("weights", int), "capacity": ("capacities", float),
}  # fmt: skip
PLAIN = ("budget", "objective", "confidence_z", "strategies", "effect", "budgets", "without", "weights_of",
         "hei_median_share")  # fmt: skip


class Command(BaseCommand):
    """Try a scenario on a contract's data."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--contract", required=True, help="such as H1234")
        parser.add_argument("--year", type=int, required=True, help="measurement year")
        parser.add_argument("--name", help="keep the simulation under this name")
        parser.add_argument("--scenario", type=Path, metavar="FILE", help="the whole scenario (.json)")
        spend = parser.add_argument_group("spending")
        spend.add_argument("--budget", type=float, help="dollars for outreach")
        spend.add_argument(
            "--strategy", nargs="+", dest="strategies", choices=list(map(str, Strategy)), help="ways to spend it"
        )
        spend.add_argument("--on-top", action="store_true", help="of the outreach under way, not instead of it")
        spend.add_argument("--objective", choices=OBJECTIVES)
        spend.add_argument("--confidence", type=float, dest="confidence_z", metavar="Z")
        spend.add_argument("--capacity", nargs="+", metavar="CHANNEL=N", help=f"contacts of {', '.join(CHANNELS)}")
        spend.add_argument("--effect", type=float, help="times what outreach is expected to add")
        spend.add_argument("--frontier", type=float, nargs="+", dest="budgets", metavar="N", help="budgets to compare")
        rates = parser.add_argument_group("closures")
        rates.add_argument("--close", nargs="+", metavar="COL=40", help="closures beyond those that come anyway")
        rates.add_argument("--close-rate", nargs="+", metavar="COL=0.3", help="share of those who can still close")
        rules = parser.add_argument_group("rules")
        rules.add_argument("--cut", nargs="+", metavar="COL:4=78", help="a cut point")
        rules.add_argument("--cut-shift", nargs="+", metavar="COL=2", help="points harder; * for every measure")
        rules.add_argument("--without", nargs="+", metavar="MEASURE")
        rules.add_argument("--with", nargs="+", dest="added", metavar="NAME=STAR[/WEIGHT]", help="one more measure")
        rules.add_argument("--weight", nargs="+", metavar="COL=3")
        rules.add_argument("--weights-of", type=int, metavar="STAR_YEAR")
        rules.add_argument("--no-reward-factor", action="store_true")
        rules.add_argument("--hei-median-share", type=float, metavar="SHARE", help="Health Equity Index for the reward")

    def run(self, **options: Any) -> dict[str, Any]:
        contract = Contract.objects.filter(number=options["contract"]).first()
        if contract is None:
            raise WrongUse(f"{options['contract']} is no contract of this plan")
        content, today = content_of(options), timezone.localdate()
        try:
            if options["name"] is None:
                scenario = scenario_of(content, channels=CHANNELS)
                return simulation.simulated(contract, options["year"], scenario, today=today)
            asked = simulation_runs.ask(
                options["name"], contract=contract, year=options["year"], content=content, by="simulate", later=False
            )
            done = simulation_runs.carry_out(asked, today=today, by="simulate")
            return {"id": done.pk, "name": done.name, **(done.result or {})}
        except years.UnknownStarYear as error:
            raise WrongUse(str(error)) from error
        except ProblemError as error:
            raise Refused(str(error), field=error.field, reason=error.reason) from error
        except (projection.NothingToProject, WorkflowError) as reason:
            raise Refused(str(reason)) from reason

    def show(self, answer: dict[str, Any]) -> None:
        self.stdout.write("\n".join(words(answer)))


def content_of(options: dict[str, Any]) -> dict[str, Any]:
    """The scenario as JSON has it, from its file or from the options."""
    try:
        told = told_by(options)
    except ProblemError as error:
        raise WrongUse(str(error)) from error
    if options["scenario"] is None:
        return told
    if told:
        raise WrongUse("Give --scenario FILE or the options, not both.")
    try:
        content: dict[str, Any] = json.loads(options["scenario"].read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(
            f"{options['scenario']}: cannot be read as JSON: {error}", file=str(options["scenario"])
        ) from error
    return content


def told_by(options: dict[str, Any]) -> dict[str, Any]:
    """What the options say. Raises ProblemError."""
    told = {name: options[name] for name in PLAIN if options[name] is not None}
    for option, (field, read) in BY_MEASURE.items():
        if options[option]:
            told[field] = scenario_text.numbers(field, options[option], read)
    if options["cut"]:
        told["cuts"] = scenario_text.cuts(options["cut"])
    if options["added"]:
        told["with"] = scenario_text.added(options["added"])
    if options["no_reward_factor"]:
        told["reward_factor"] = False
    return told | ({"on_top": True} if options["on_top"] else {})


def words(answer: dict[str, Any]) -> Iterator[str]:
    """The answer for people."""
    yield f"{answer['contract']} measurement year {answer['year']}, data as of {answer['data_as_of']}"
    yield from (f"  {change}" for change in answer["changes"])
    yield f"As it stands:   {rating_words(answer['as_it_stands'])}"
    yield f"Nothing done:   {rating_words(answer['nothing_done'])}"
    for way in answer["ways"]:
        yield f"{way['words']}: {rating_words(way)}; {way['closures']:,.1f} closures for ${way['cost']:,.2f}"
        if way["return"]:
            gain = way["return"]["gain"]
            yield (f"  worth ${gain['value']:,.0f} today (${gain['low']:,.0f} to ${gain['high']:,.0f}), "
                   f"pays with {way['return']['pays']:.0%}")  # fmt: skip
    for point in answer["frontier"]:
        yield f"  ${point['budget']:,.0f}: {rating_words(point)} for ${point['spend']:,.2f}"


def rating_words(odds: dict[str, Any]) -> str:
    """Expected stars and the chances of each rating."""
    if odds["expected"] is None:
        return f"not rated, {odds['not_rated']}"
    chances = ", ".join(f"{star} {chance:.0%}" for star, chance in odds["chances"].items() if chance >= 0.005)
    return f"{odds['expected']:.2f} stars expected ({chances})"

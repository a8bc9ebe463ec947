"""Why a member is in a plan, or nearly was, in words: what the action is worth at the plan's prices and what it takes.
Pure."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from interventions.problem import Problem

# What rounds to nothing is no difference.
CENT = 0.005


def of_chosen(table: pa.Table, problem: Problem) -> list[str]:
    """A sentence for each line of `reasons.chosen`."""
    return [worth_and_cost(line, problem) for line in lines_of(table)]


def of_nearly_chosen(near: pa.Table, chosen: pa.Table, problem: Problem) -> list[str]:
    """The same for each line of `reasons.nearly_chosen`, and why it was not chosen."""
    had = dict(zip(chosen["member"].to_pylist(), chosen["reduced_value"].to_pylist(), strict=True))
    return [
        f"{worth_and_cost(line, problem)} {why_not(line['reduced_value'], had.get(line['member']))}"
        for line in lines_of(near)
    ]


def lines_of(table: pa.Table) -> Iterator[Mapping[str, object]]:
    """The lines as dictionaries, without holding all of them."""
    for batch in table.to_batches(max_chunksize=5_000):
        yield from batch.to_pylist()


def worth_and_cost(line: Mapping[str, object], problem: Problem) -> str:
    """What the closures are worth, by measure and floor, and what they take, by the dollar and by resource."""
    worths = [(measure.name, line[f"worth_{measure.name}"]) for measure in problem.measures]
    floors = [problem.floor_name(floor) for floor in problem.floors]
    worths += [(f"floor {name}", line[f"floor_{name}"]) for name in floors]
    charges = [(name, line[f"charge_{name}"]) for name in problem.resources]
    said = ", ".join(f"{name} {dollars(amount)}" for name, amount in worths if amount)
    takes = "".join(f", {name} {dollars(amount)}" for name, amount in charges if amount)
    return f"Worth {dollars(line['worth'])}{f' ({said})' if said else ''}; costs {dollars(line['cost'])}{takes}."


def why_not(leaves: object, chosen_leaves: float | None) -> str:
    """Why an action was not chosen, by what it leaves beyond what it takes and what the member's chosen one leaves."""
    mine = float(str(leaves))
    if chosen_leaves is not None and chosen_leaves > mine + CENT:
        return f"Another action for this member leaves {dollars(chosen_leaves - mine)} more."
    if mine < -CENT:
        return f"It takes {dollars(-mine)} more than it is worth."
    return "It is worth what it takes; the stars are reached without it."


def dollars(amount: object) -> str:
    """An amount in dollars and cents."""
    return f"${float(str(amount)):,.2f}"

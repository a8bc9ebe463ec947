"""Simulations: a scenario under a name, and what it would make of a contract."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from hedis.lib.runs import Run, RunState
from hedis.members.models import Contract


class SimulationQuerySet(models.QuerySet["Simulation"]):
    """Questions about simulations."""

    def for_list(self) -> "SimulationQuerySet":
        """With what a list shows."""
        return self.select_related("contract")

    def finished(self) -> "SimulationQuerySet":
        """Those with a result."""
        return self.filter(state=RunState.DONE)


class Simulation(Run):
    """A scenario tried on a contract's data. What was asked and what came out never change: another is another.

    `scenario` and `result` are as docs/simulations.md has them. A worker does it, as a run people watch.
    """

    name = models.CharField(max_length=120)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="simulations")
    year = models.PositiveSmallIntegerField("measurement year")
    scenario = models.JSONField()
    result = models.JSONField(null=True)
    data_as_of = models.DateField("data as of", null=True)
    seconds = models.FloatField(default=0)

    objects = SimulationQuerySet.as_manager()

    class Meta(Run.Meta):
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            *Run.Meta.constraints,
            models.UniqueConstraint(fields=["contract", "year", "name"], name="simulation_name_once"),
            models.CheckConstraint(condition=~Q(name=""), name="simulation_has_a_name"),
            models.CheckConstraint(
                condition=Q(state=RunState.DONE, result__isnull=False, data_as_of__isnull=False)
                | ~Q(state=RunState.DONE) & Q(result=None),
                name="simulation_done_has_a_result",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ways(self) -> list[dict[str, Any]]:
        """The ways that were compared; none before there is a result."""
        return list(self.result["ways"]) if self.result else []

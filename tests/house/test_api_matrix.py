"""Every route of the API × every method × every role: allowed, or refused exactly as the roles page implies.

The routes come from the URLconf. One that is not in ROUTES fails the test, so that nobody adds an endpoint without
saying which permission opens it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver
from rest_framework.test import APIClient

from audit.models import Event, Subject
from hedis.accounts import roles
from hedis.accounts.models import User
from hedis.accounts.permissions import ModelPermissions
from hedis.gaps.models import Gap
from hedis.lib import problem
from hedis.stars import loading, rating, scores, snapshots
from interventions.models import PlanRun, Simulation
from predictions.models import ScoringRun
from tests.conftest import person
from tests.factories import make_contract, make_gap, make_measure, make_member, make_provider
from tests.interventions.plans import make_campaign, make_intervention, make_plan
from tests.predictions.registered import make_model
from tests.predictions.scored import make_prediction

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Route:
    """What opens an endpoint; `scoped` where the address names one member's matter, `computes` where a POST stores
    nothing, so that who may read may ask."""

    model: str
    methods: tuple[str, ...] = READING
    scoped: bool = False
    computes: bool = False

    def permission(self, method: str) -> str:
        room, model = self.model.split(".")
        if method in READING or self.computes:
            return f"{room}.view_{model}"
        return f"{room}.{'add' if method == 'POST' else 'change'}_{model}"


# Address, with {} for what is named, to what opens it. None: open to everybody, holds no data.
ROUTES: dict[str, Route | None] = {
    "api/v1/members/": Route("members.member"),
    "api/v1/members/{}/": Route("members.member", scoped=True),
    "api/v1/members/{}/gaps/": Route("gaps.gap", scoped=True),
    "api/v1/contracts/": Route("members.contract"),
    "api/v1/contracts/{}/": Route("members.contract"),
    "api/v1/providers/": Route("members.provider"),
    "api/v1/providers/{}/": Route("members.provider"),
    "api/v1/measures/": Route("measures.measure"),
    "api/v1/measures/{}/": Route("measures.measure"),
    "api/v1/measure-years/": Route("measures.measureyear"),
    "api/v1/code-lists/": Route("measures.valuesetlist"),
    "api/v1/gaps/": Route("gaps.gap"),
    "api/v1/gaps/{}/": Route("gaps.gap", methods=(*READING, "PATCH"), scoped=True),
    "api/v1/gaps/{}/history/": Route("gaps.transition", scoped=True),
    "api/v1/ratings/": Route("stars.rating"),
    "api/v1/ratings/{}/": Route("stars.rating"),
    "api/v1/ratings/compute/": Route("stars.rating", methods=("POST", "OPTIONS"), computes=True),
    "api/v1/contracts/{}/ratings/": Route("stars.rating"),
    "api/v1/snapshots/": Route("stars.snapshot", methods=(*READING, "POST")),
    "api/v1/snapshots/compare/": Route("stars.snapshot"),
    "api/v1/snapshots/{}/": Route("stars.snapshot"),
    "api/v1/star-years/": Route("stars.referenceyear"),
    "api/v1/star-years/{}/": Route("stars.referenceyear"),
    "api/v1/models/": Route("predictions.modelversion"),
    "api/v1/models/{}/": Route("predictions.modelversion", methods=(*READING, "PATCH")),
    "api/v1/action-effects/": Route("predictions.actioneffect"),
    "api/v1/models/{}/validations/": Route("predictions.validationrun"),
    "api/v1/models/{}/transitions/": Route("predictions.modeltransition", methods=(*READING, "POST")),
    "api/v1/models/{}/waivers/": Route("predictions.waiver", methods=(*READING, "POST")),
    "api/v1/predictions/": Route("predictions.prediction", methods=(*READING, "POST")),
    "api/v1/predictions/batch/": Route("predictions.prediction", methods=("POST", "OPTIONS")),
    "api/v1/predictions/portfolio/": Route("predictions.scoringrun", methods=(*READING, "POST")),
    "api/v1/predictions/portfolio/{}/": Route("predictions.scoringrun"),
    "api/v1/predictions/{}/": Route("predictions.prediction", scoped=True),
    "api/v1/predictions/{}/reviews/": Route("predictions.predictionreview", scoped=True),
    "api/v1/predictions/{}/review/": Route("predictions.predictionreview", methods=("POST", "OPTIONS"), scoped=True),
    "api/v1/interventions/": Route("interventions.intervention", methods=(*READING, "POST")),
    "api/v1/interventions/{}/": Route("interventions.intervention", methods=(*READING, "PATCH"), scoped=True),
    "api/v1/interventions/{}/attempts/": Route("interventions.attempt", methods=(*READING, "POST"), scoped=True),
    "api/v1/interventions/{}/complete/": Route(
        "interventions.interventiontransition", methods=("POST", "OPTIONS"), scoped=True
    ),
    "api/v1/interventions/{}/cancel/": Route(
        "interventions.interventiontransition", methods=("POST", "OPTIONS"), scoped=True
    ),
    "api/v1/members/{}/history/": Route("interventions.attempt", scoped=True),
    "api/v1/portfolio/summary/": Route("gaps.measurecount"),
    "api/v1/portfolio/gaps/": Route("gaps.measurecount"),
    "api/v1/portfolio/velocity/": Route("gaps.measurecount"),
    "api/v1/equity/": Route("gaps.measurecount"),
    "api/v1/portfolio/money/": Route("interventions.countyfigures"),
    "api/v1/counties/": Route("interventions.countyfigures", methods=(*READING, "POST")),
    "api/v1/campaigns/": Route("interventions.campaign", methods=(*READING, "POST")),
    "api/v1/campaigns/{}/": Route("interventions.campaign", methods=(*READING, "PATCH")),
    "api/v1/campaigns/{}/approve/": Route("interventions.campaigntransition", methods=("POST", "OPTIONS")),
    "api/v1/simulations/": Route("interventions.simulation", methods=(*READING, "POST")),
    "api/v1/simulations/{}/": Route("interventions.simulation"),
    "api/v1/portfolio/optimize/": Route("interventions.planrun", methods=(*READING, "POST")),
    "api/v1/portfolio/optimize/{}/": Route("interventions.planrun"),
    "api/v1/portfolio/priority-list/": Route("interventions.planitem"),
    "api/v1/plans/": Route("interventions.plan"),
    "api/v1/plans/{}/": Route("interventions.plan"),
    "api/v1/plans/{}/items/": Route("interventions.planitem"),
    "api/v1/plans/{}/campaign/": Route("interventions.campaign", methods=("POST", "OPTIONS")),
    "api/schema/": None,
    "api/docs/": None,
}


def patterns(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every address below `api/` and its view."""
    for each in resolver.url_patterns:
        here = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from patterns(each, here)
        elif each.callback is not problem.unknown_address and here.startswith("api/"):
            yield here, each.callback


def plain(address: str) -> str:
    """One spelling for `<str:pk>` and `(?P<pk>[^/.]+)`."""
    named = re.sub(r"\(\?P<\w+>[^)]*\)|<[^>]+>", "{}", address)
    return named.replace("^", "").replace("\\Z", "").replace("$", "")


@pytest.fixture
def things(ana: User, tmp_path: Path) -> dict[str, str]:
    """An address of each route, all of one gap of a member on Ana's panel."""
    contract = make_contract("H1234")
    member = make_member(care_manager=ana, contract=contract)
    provider, gap = make_provider(), make_gap(member, make_measure("COL"))
    scores.enter(contract, 2026, "D08", "88", source="report", by="ben")
    rated = rating.rate(contract, 2026, as_of=date(2026, 9, 30), by="ben")
    loading.load_reference(by="test")
    frozen = snapshots.store(2026, date(2026, 9, 30), {}, "0" * 64, by="ben")
    named = {"members": member.pseudonym, "contracts": "H1234", "providers": provider.npi, "measures": "COL"}
    named |= {"gaps": str(gap.pk), "ratings": str(rated.pk), "star-years": "2026", "snapshots": str(frozen.pk)}
    model = make_model(tmp_path, by=ana)
    named |= {"models": str(model.pk), "predictions": str(make_prediction(gap, model).pk)}
    named |= {"interventions": str(make_intervention(gap, by=ana).pk), "campaigns": str(make_campaign(by=ana).pk)}
    asked = Simulation.objects.create(
        name="Autumn", contract=contract, year=2026, scenario={}, requested_by="ben"
    )  # fmt: skip
    named |= {"simulations": str(asked.pk)}
    run = ScoringRun.objects.create(year=2026, as_of=date(2026, 9, 30), generation="g1", requested_by="ben")
    named |= {"plans": str(make_plan(gap).pk)}
    planning = PlanRun.objects.create(year=2026, asked={}, requested_by="ben")
    addresses = {route: "/" + route.format(named.get(route.split("/")[2], "")) for route in ROUTES}
    runs = {"predictions/portfolio": run.pk, "portfolio/optimize": planning.pk}
    return addresses | {f"api/v1/{route}/{{}}/": f"/api/v1/{route}/{pk}/" for route, pk in runs.items()}


@pytest.fixture
def actor(request: pytest.FixtureRequest, ana: User) -> User | None:
    """One person for each role, of Ana's team but without a panel; Ana; one without a role; a stranger."""
    if request.param == "stranger":
        return None
    if request.param == "ana":
        return ana
    if request.param == "no_role":
        return User.objects.create_user("nora", password="correct-horse-battery")
    return person(f"the_{request.param}", roles.BY_KEY[request.param], team="north")


def expected(route: Route | None, method: str, actor: User | None) -> int:
    """What the roles page implies."""
    if route is None:
        return 200 if method in READING else 405
    if actor is None:
        return 401
    if method not in route.methods:
        return 405
    role = roles.BY_KEY.get(actor.role)
    allowed = role.permissions if role else ()
    if route.permission(method) not in allowed:
        return 403
    sees = roles.WHOLE_PLAN in allowed or roles.TEAM_PANEL in allowed or actor.username == "ana"
    if method == "OPTIONS":
        return 200
    if route.scoped and not sees:
        return 404
    # Let in, and asked for If-Match, or for something to compute.
    return {"PATCH": 428, "POST": 400}.get(method, 200)


ACTORS = [role.key for role in roles.ROLES] + ["ana", "no_role", "stranger"]


def test_every_route_of_the_urlconf_is_in_the_matrix() -> None:
    assert {plain(address) for address, _ in patterns(get_resolver())} == set(ROUTES)


def test_every_endpoint_asks_for_model_permissions() -> None:
    for address, view in patterns(get_resolver()):
        if ROUTES[plain(address)] is not None:
            assert view.cls.permission_classes == [ModelPermissions], address


@pytest.mark.django_db
@pytest.mark.parametrize("actor", ACTORS, indirect=True)
def test_each_role_may_exactly_what_the_roles_page_implies(actor: User | None, things: dict[str, str]) -> None:
    client = APIClient()
    if actor is not None:
        client.force_login(actor)
    wrong = {}
    for route, path in things.items():
        # A page made by a template has nothing to say to OPTIONS.
        for method in METHODS if ROUTES[route] else ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            answer = client.generic(method, path, data="{}", content_type="application/json")
            wanted = expected(ROUTES[route], method, actor)
            if answer.status_code != wanted:
                wrong[f"{method} {route}"] = (answer.status_code, wanted)
    assert wrong == {}


@pytest.mark.django_db
@pytest.mark.parametrize("actor", ACTORS, indirect=True)
def test_no_answer_shows_a_member_without_an_event_that_says_so(actor: User | None, things: dict[str, str]) -> None:
    client = APIClient()
    if actor is not None:
        client.force_login(actor)
    pseudonym = Gap.objects.get().member.pseudonym
    for route, path in things.items():
        answer = client.get(path)
        of_one = "{}/history" in route or "{}/reviews" in route
        tells = pseudonym in answer.content.decode() or (answer.status_code == 200 and of_one)
        if tells and answer.status_code == 200:
            event = Event.objects.get(request_id=answer["X-Request-ID"])
            assert Subject.objects.filter(event_id=event.id, member_pseudonym=pseudonym).exists(), route
        else:
            assert answer.status_code != 200 or pseudonym not in answer.content.decode(), route

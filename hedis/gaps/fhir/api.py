"""The door to FHIR: measures, gaps in care, reports. Same keys, permissions and scope as the API."""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import Error
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.urls import path, re_path, reverse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from audit.reading import LedgerUnavailable, RecordedReads, record
from hedis.gaps.fhir import answers, asking, bulk, catalogue, reading, resources
from hedis.gaps.fhir.asking import Asked, Evaluation, Nowhere, Search
from hedis.gaps.fhir.capability import statement
from hedis.gaps.fhir.guide import Guide
from hedis.gaps.fhir.resources import CountFacts, Frame, GapFacts, PersonFacts, Resource
from hedis.gaps.fhir.speaking import NDJSON, FhirRenderer, FhirView, NdjsonRenderer, PlainRenderer, unknown_address
from hedis.gaps.models import Gap, GapQuerySet, MeasureCount
from hedis.measures.models import Measure
from hedis.members.models import PSEUDONYM


def base_of(request: Request) -> str:
    """The address of this server's FHIR root, as the caller reached it."""
    return request.build_absolute_uri(reverse("fhir-metadata")).removesuffix("/metadata")


def frame(guide: Guide) -> Frame:
    """What the resources of one answer share."""
    return Frame(guide, settings.FHIR_BASE_URL, timezone.now())


def address(request: Request, given: asking.Given, **changed: str) -> str:
    """This request's address with parameters changed."""
    kept = [(name, value) for name, values in given.items() for value in values if name not in changed]
    return request.build_absolute_uri(f"{request.path}?{urlencode([*kept, *changed.items()])}")


class Metadata(FhirView):
    """What this server does. Open to everybody: it holds no data."""

    authentication_classes = []
    permission_classes = []

    def get(self, request: Request) -> Response:
        return Response(statement(base_of(request)))


class Found(FhirView):
    """A search: pages of resources with a total and links."""

    own: tuple[str, ...]

    def get(self, request: Request) -> Response:
        given = dict(request.query_params.lists())
        asked = asking.search(given, self.own)
        rows = self.rows(asked)
        page = rows[asked.offset : asked.offset + asked.count]
        links = {"self": request.build_absolute_uri()}
        if asked.offset + asked.count < len(rows):
            links["next"] = address(request, given, _offset=str(asked.offset + asked.count))
        made = [self.resource(row, frame(asked.guide)) for row in page]
        return Response(answers.searchset(made, base=base_of(request), total=len(rows), links=links))

    def rows(self, asked: Search) -> Sequence[Any]:
        """The facts that match, in a stable order: at most measures times contracts, so a list."""
        raise AssertionError("a search says what it finds")

    def resource(self, facts: Any, shared: Frame) -> Resource:
        """The resource of one row."""
        raise AssertionError("a search says what it makes")


class Measures(Found):
    """`GET /fhir/Measure`."""

    queryset = Measure.objects.all()
    own = asking.MEASURE_SEARCH

    def rows(self, asked: Search) -> Sequence[Any]:
        chosen: QuerySet[Measure] = Measure.objects.computed()
        prefix = f"{settings.FHIR_BASE_URL}/Measure/"
        for values in ([value.rsplit("|", 1)[-1] for value in asked.wanted["identifier"]], asked.wanted["_id"],
                       [value.removeprefix(prefix) for value in asked.wanted["url"]]):  # fmt: skip
            chosen = chosen.filter(code__in=values) if values else chosen
        return reading.measure_facts(chosen)

    def resource(self, facts: Any, shared: Frame) -> Resource:
        return catalogue.measure(facts, shared)


class OneMeasure(FhirView):
    """`GET /fhir/Measure/{code}`."""

    queryset = Measure.objects.all()

    def get(self, request: Request, code: str) -> Response:
        found = reading.measure_facts(Measure.objects.computed().filter(code=code))
        if not found:
            raise Nowhere("There is no such measure, or the engine does not compute it.")
        return Response(catalogue.measure(found[0], frame(asking.CURRENT)))


class Reports(Found):
    """`GET /fhir/MeasureReport`: summary reports of the newest run, one a measure and contract."""

    queryset = MeasureCount.objects.all()
    own = asking.REPORT_SEARCH

    def rows(self, asked: Search) -> Sequence[Any]:
        counts = MeasureCount.objects.latest(asked.year or None)
        if asked.wanted["measure"]:
            known = reading.computed()
            named = [reading.measure_named("measure", value, settings.FHIR_BASE_URL, known)
                     for value in asked.wanted["measure"]]  # fmt: skip
            counts = counts.filter(measure__in=named)
        return reading.count_facts(counts.filter(contract__number=asked.contract) if asked.contract else counts)

    def resource(self, facts: Any, shared: Frame) -> Resource:
        return resources.summary_report(facts, shared)


class Operation(RecordedReads, FhirView):
    """An operation asked by GET, or by POST of a Parameters resource, which stores nothing."""

    http_method_names = ["get", "head", "post"]
    stores_nothing = True
    member_field, address_key, address_shape = "member", "subject", PSEUDONYM
    action = "shown"

    @cached_property
    def given(self) -> dict[str, list[Any]]:
        """The parameters of this request. Raises Unusable."""
        query: dict[str, list[Any]] = dict(self.request.query_params.lists())
        if self.request.method != "POST":
            return query
        return query | asking.from_parameters(self.request.data)

    def get(self, request: Request, **named: str) -> Any:
        return self.answer(**named)

    def post(self, request: Request, **named: str) -> Any:
        return self.answer(**named)

    def answer(self, **named: str) -> Any:
        """The operation's answer."""
        raise AssertionError("an operation says what it answers")

    def thing_named(self) -> str:
        """The member named as subject; "" where none is, or what is named cannot be ours."""
        subject = self.__dict__.get("given", {}).get("subject", [""])[0]
        name = asking.split(subject)[1] if isinstance(subject, str) else ""
        return name if re.fullmatch(PSEUDONYM, name) else ""

    def remember(self, people: Sequence[str]) -> None:
        """Record whom the answer tells of, before it leaves."""
        record(self.event_name(), object_type=self.basename, object_id=self.thing_named(), members=people,
               row_count=len(people), by=self.request.user)  # fmt: skip


class CareGaps(Operation):
    """`GET|POST /fhir/Measure/$care-gaps`."""

    queryset = Gap.objects.all()
    renderer_classes = [FhirRenderer, PlainRenderer, NdjsonRenderer]
    basename = "fhir_care_gaps"

    def answer(self, **named: str) -> Any:
        asked = asking.care_gaps(self.given)
        reading.require_year(asked.year)
        reading.require_reporters(asked)
        measures = reading.measures_asked(asked, settings.FHIR_BASE_URL)
        gaps = reading.gaps_asked(asked, measures, self.request.user)
        if asked.subjects is None:
            people = reading.subjects_after(asked, gaps, self.request.user)
        else:
            people = reading.subjects_named(asked, self.request.user)
        if self.request.accepted_renderer.format == "ndjson":
            return self.everything(gaps, measures, asked)
        page = people if asked.subjects is not None else people[: asked.count]
        told = self.told(asked, measures, gaps, page)
        self.remember([person.member for person in page if told[person.member]])
        return self.shaped(asked, page, told, more=len(people) > len(page))

    def told(
        self, asked: Asked, measures: Sequence[Measure], gaps: GapQuerySet, page: Sequence[PersonFacts]
    ) -> dict[str, list[GapFacts]]:
        """The gaps of each member on the page, by measure."""
        told: dict[str, list[GapFacts]] = {person.member: [] for person in page}
        theirs = gaps.filter(member__pseudonym__in=list(told))
        for gap, _ in reading.gaps_and_people(theirs.order_by("member__pseudonym", "measure__code")):
            told[gap.member].append(gap)
        if asked.subjects is not None and "not-applicable" in asked.statuses and not (asked.npi or asked.contract):
            for gap in reading.never_eligible(asked, measures, page):
                told[gap.member].append(gap)
        return told

    def shaped(
        self, asked: Asked, page: Sequence[PersonFacts], told: dict[str, list[GapFacts]], *, more: bool
    ) -> Response:
        """One bundle a member, in Parameters or in a searchset; the next page in the Link header, and in the latter."""
        base, shared = base_of(self.request), frame(asked.guide)
        names = reading.contract_names(gap.contract for gaps in told.values() for gap in gaps)
        bundles = [
            resources.gaps_bundle(
                person, told[person.member], shared, base=base, contracts=names, document=asked.document
            )
            for person in page
            if told[person.member]
        ]
        links = {"self": self.request.build_absolute_uri()}
        if more:
            links["next"] = address(self.request, self.given, _cursor=page[-1].member)
        headers = {"Link": f'<{links["next"]}>; rel="next"'} if more else {}
        if asked.shape == "bundle":
            return Response(answers.searchset(bundles, base=base, total=None, links=links), headers=headers)
        return Response(answers.parameters(bundles), headers=headers)

    def everything(self, gaps: GapQuerySet, measures: Sequence[Measure], asked: Asked) -> StreamingHttpResponse:
        """All of it as NDJSON, streamed; a recorded export."""
        facts = {"year": asked.year, "statuses": asked.statuses, "measures": [one.code for one in measures]}
        try:
            lines = bulk.stream(gaps, measures, frame(asked.guide), facts=facts, by=self.request.user)
        except Error as error:
            raise LedgerUnavailable from error
        attachment = {"Content-Disposition": f'attachment; filename="gaps-in-care-{asked.year}.ndjson"'}
        return StreamingHttpResponse(lines, content_type=NDJSON, headers=attachment)


class Evaluate(Operation):
    """`GET|POST /fhir/Measure/{code}/$evaluate`: a report told from what is stored."""

    basename = "fhir_evaluate"

    @property
    def queryset(self) -> QuerySet[Any]:
        """What the caller must be allowed to see: a member's gap, or counts."""
        return Gap.objects.all() if {"subject", "subjectGroup"} & set(self.given) else MeasureCount.objects.all()

    def answer(self, **named: str) -> Response:
        asked = asking.evaluation(self.given)
        reading.require_year(asked.year)
        reading.require_contract(asked.contract)
        measure = reading.computed().get(named["code"])
        if measure is None:
            raise Nowhere("There is no such measure, or the engine does not compute it.")
        shared = frame(asked.guide)
        if not asked.subject:
            return Response(resources.summary_report(self.counts(asked, measure), shared))
        gap = self.gap(asked, measure)
        self.remember([gap.member])
        return Response(resources.individual_report(gap, shared))

    def counts(self, asked: Evaluation, measure: Measure) -> CountFacts:
        """The newest run's counts of a contract, or of the whole plan. Raises Nowhere."""
        found: CountFacts | None
        if asked.contract:
            rows = MeasureCount.objects.latest(asked.year).filter(measure=measure, contract__number=asked.contract)
            found = next(iter(reading.count_facts(rows)), None)
        else:
            found = reading.plan_count(measure, asked.year)
        if found is None:
            raise Nowhere(f"The newest run of {asked.year} did not count this.")
        return found

    def gap(self, asked: Evaluation, measure: Measure) -> GapFacts:
        """How a member stands in the measure. Raises Nowhere."""
        wanted = Asked(year=asked.year, statuses=(), subjects=(asked.subject,))
        people = reading.subjects_named(wanted, self.request.user)
        gaps = Gap.objects.visible_to(self.request.user).for_year(asked.year)
        gaps = gaps.filter(member__pseudonym=asked.subject, measure=measure)
        found = [gap for gap, _ in reading.gaps_and_people(gaps)] or reading.never_eligible(wanted, [measure], people)
        if not found or (asked.contract and found[0].contract != asked.contract):
            raise Nowhere("This member was not looked at for this measure, year and contract.")
        return found[0]


urlpatterns = [
    path("metadata", Metadata.as_view(), name="fhir-metadata"),
    path("Measure", Measures.as_view(), name="fhir-measures"),
    path("Measure/$care-gaps", CareGaps.as_view(), name="fhir-care-gaps"),
    path("Measure/<str:code>", OneMeasure.as_view(), name="fhir-measure"),
    path("Measure/<str:code>/$evaluate", Evaluate.as_view(), name="fhir-evaluate"),
    path("Measure/<str:code>/$evaluate-measure", Evaluate.as_view(), name="fhir-evaluate-measure"),
    path("MeasureReport", Reports.as_view(), name="fhir-reports"),
    re_path(r"", unknown_address),
]

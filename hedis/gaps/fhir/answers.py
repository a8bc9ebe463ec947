"""What resources travel in: Parameters of bundles, pages of found resources, OperationOutcomes. Pure."""

from collections.abc import Mapping, Sequence

from hedis.gaps.fhir.resources import Resource, entry

# Issue code, sentence, name of the parameter or "".
Issue = tuple[str, str, str]


def parameters(bundles: Sequence[Resource]) -> Resource:
    """What an operation with several results answers: one `return` a bundle, none where there is none."""
    returned = [{"name": "return", "resource": bundle} for bundle in bundles]
    return {"resourceType": "Parameters"} | ({"parameter": returned} if returned else {})


def searchset(resources: Sequence[Resource], *, base: str, total: int | None, links: Mapping[str, str]) -> Resource:
    """A page of found resources with its links (`self`, `next`)."""
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        **({} if total is None else {"total": total}),
        "link": [{"relation": relation, "url": url} for relation, url in links.items()],
        "entry": [{**entry(resource, base), "search": {"mode": "match"}} for resource in resources],
    }


def outcome(issues: Sequence[Issue], severity: str = "error") -> Resource:
    """An OperationOutcome, one issue each."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": severity, "code": code, "diagnostics": words} | ({"expression": [where]} if where else {})
            for code, words, where in issues
        ],
    }

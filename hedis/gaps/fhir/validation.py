"""Checks resources against FHIR R4B's structure with the `fhir.resources` library.

R4B and R4 agree on every resource we write. Profiles (DEQM's slices and invariants) are not checked by the library.
"""

from typing import Any

from hedis.gaps.fhir.resources import Resource


class Invalid(Exception):
    """A resource the library refuses; says type, id, element and reason."""


def check(resource: Resource) -> None:
    """Raise Invalid where the resource is not valid FHIR.

    The library is loaded here, not at start-up: importing it costs most of a second and a server never needs it.
    """
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    kind = str(resource.get("resourceType", ""))
    try:
        get_fhir_model_class(kind).model_validate(resource)
    except KeyError as error:
        raise Invalid(f"{kind or 'a resource without type'}: no such resource type") from error
    except ValidationError as error:
        raise Invalid(f"{kind}/{resource.get('id', '')}: {'; '.join(problems(error))}") from error


def problems(error: Any) -> list[str]:
    """Where and why, one line each; never the value."""
    return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)]

"""How CBP and BPD read a blood pressure: which readings count, and below 140/90 on the last day that has one."""

from __future__ import annotations

from hedis.engine.measure import CodedResult, Events, LatestReading, Result

ACUTE_CARE = Events("acute stay or emergency visit", ("acute-setting",), kinds=("visit",), needs=("place-of-service",))


def below_140_over_90(*, from_denominator_event: bool = False) -> LatestReading:
    """The last reading of the year in control: under 140 mmHg systolic and under 90 mmHg diastolic.

    `from_denominator_event`: only readings on or after the day the member met the denominator event count (CBP).
    The rule is the numerator of CMS165FHIR 1.0.000; the bounds of a plausible reading are our own.
    """

    def part(name: str, plausible: tuple[float, float], below: float) -> Result:
        limit = f"{below:.0f}"
        return Result(
            Events(
                name,
                (f"{name}-blood-pressure",),
                not_during=ACUTE_CARE,
                from_denominator_event=from_denominator_event,
                needs=("loinc",),
            ),
            unit="mmHg",
            decimals=0,
            plausible=plausible,
            below=below,
            coded=(
                CodedResult(f"{name}-below-{limit}", below - 1, f"<{limit}"),
                CodedResult(f"{name}-{limit}-or-above", below, f"≥{limit}"),
            ),
        )

    return LatestReading(
        "blood pressure",
        part("systolic", (40.0, 300.0), 140.0),
        part("diastolic", (20.0, 200.0), 90.0),
        unit="mmHg",
    )


READING_NOTES = (
    "Readings on a day of an acute stay or an emergency visit (place of service 21, 23, 51) do not count.",
    "Outside 40–300 systolic or 20–200 diastolic a value is treated as missing (our own choice).",
    "A reading on the day of a procedure that needs a change of diet or medication does not count either; claims do "
    "not tell, so such a reading is not recognised.",
)

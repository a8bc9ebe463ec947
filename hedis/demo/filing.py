"""From simulated facts to the columns of each Tuva table."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from hedis.demo.chance import Columns, last_of, written
from hedis.demo.conditions import SLOTS, Health
from hedis.demo.parameters import Calendar, Contract, Drug
from hedis.demo.people import People, enrolment_spans
from hedis.demo.providers import Providers, attribution, npi
from hedis.demo.tuva import TableWriter

NOWHERE = np.datetime64("NaT", "D")
SOURCES = {"lab_result": "demo laboratory", "observation": "demo health record"}
HOSPITALS = 12
FIRST_HOSPITAL, FIRST_PHARMACY = 90_000, 95_000  # serial numbers of invented NPIs, apart from the doctors'
DESCRIPTIONS = {
    "4548-4": "Hemoglobin A1c in blood", "98979-8": "Glomerular filtration rate, estimated",
    "9318-7": "Albumin/creatinine in urine", "13457-7": "LDL cholesterol, calculated",
    "29771-3": "Fecal immunochemical test", "77353-1": "Stool DNA-based colorectal cancer screening",
    "8480-6": "Systolic blood pressure", "8462-4": "Diastolic blood pressure", "29463-7": "Body weight",
    "39156-5": "Body mass index", "24606-6": "Mammogram screening",
}  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """All that is needed to name a cohort's people, plans, doctors and drugs in a file."""

    people: People
    health: Health
    plan: list[Contract]
    providers: Providers
    drugs: list[Drug]
    cohort: int

    def member(self, person: np.ndarray) -> np.ndarray:
        """The plan's own id of each person."""
        return written("DEMO-%07d", self.people.serial)[person]

    def plan_name(self, person: np.ndarray, contract: np.ndarray) -> np.ndarray:
        """Contract and plan benefit package, e.g. H1001-001."""
        widest = max(len(each.packages) for each in self.plan)
        names = np.array(
            [
                [f"{each.number}-{each.packages[index % len(each.packages)]}" for index in range(widest)]
                for each in self.plan
            ]
        )
        return names[contract, self.people.package[person] % widest]

    def hospital(self, person: np.ndarray) -> np.ndarray:
        """NPI of the hospital where each person's doctor sends people."""
        hospitals = np.array([npi(FIRST_HOSPITAL + index) for index in range(HOSPITALS)])
        return hospitals[self.people.provider[person] % HOSPITALS]

    def numbered(self, prefix: str, year: int, numbers: np.ndarray) -> np.ndarray:
        """Identifiers unique in the whole plan: table, year, cohort and running number."""
        return written(f"{prefix}{year}-{self.cohort:03d}-%08d", numbers)


def constants(table: str, as_of: date) -> dict[str, str]:
    """Columns that are the same in every row of a table."""
    same = {
        "payer": "Demo Health Plan",
        "payer_type": "medicare",
        "data_source": SOURCES.get(table, "demo claims"),
        "file_name": f"demo_{table}_{as_of:%Y%m%d}",
        "file_date": as_of.isoformat(),
        "ingest_datetime": f"{as_of.isoformat()} 00:00:00",
    }
    if table == "eligibility":
        same |= {"subscriber_relation": "self", "group_name": "Demo Health Plan", "institutional_snp_flag": "0"}
    if table in ("medical_claim", "pharmacy_claim"):
        same |= {"in_network_flag": "1"}
    if table == "medical_claim":
        same |= {"diagnosis_code_type": "icd-10-cm"}
    return same


def file_eligibility(file: TableWriter, desk: Desk, calendar: Calendar) -> None:
    """One row a span; an open membership has no end date. No names, addresses or numbers of any person."""
    people, spans = desk.people, enrolment_spans(desk.people)
    who, member = spans["person"], desk.member(spans["person"])
    failing = desk.health.has("kidney_failure", calendar.drawn)[who]
    under_65 = people.age(calendar.years[1])[who] < 65
    died = people.death <= calendar.drawn
    file.write(
        {
            "person_id": member,
            "member_id": member,
            "subscriber_id": member,
            "gender": np.where(people.female, "female", "male")[who],
            "race": people.race[who],
            "ethnicity": np.where(people.hispanic, "hispanic or latino", "not hispanic or latino")[who],
            "birth_date": people.birth[who],
            "death_date": np.where(died, people.death, NOWHERE)[who],
            "death_flag": died[who].astype(int),
            "enrollment_start_date": spans["start"],
            "enrollment_end_date": np.where(spans["end"] >= last_of(2150), NOWHERE, spans["end"]),
            "plan": desk.plan_name(who, spans["contract"]),
            "original_reason_entitlement_code": people.entitlement[who],
            "dual_status_code": people.dual_status[who],
            "medicare_status_code": np.where(under_65, np.where(failing, "21", "20"), np.where(failing, "11", "10")),
            "enrollment_status": np.where(people.institutional, "Institutional", "Community")[who],
            "hospice_flag": spans["hospice"].astype(int),
            "snp_type": np.array([each.snp_type for each in desk.plan])[spans["contract"]],
            "medicaid_indicator": (people.dual_status != "NA")[who].astype(int),
            "long_term_institutional_flag": people.institutional[who].astype(int),
            "low_income_subsidy_indicator": people.low_income[who].astype(int),
            "esrd_status": np.where(failing, "dialysis", ""),
            "x_spoken_language": people.language[who],
            "x_miles_to_practice": people.miles[who],
        }
    )


def file_attribution(file: TableWriter, desk: Desk, calendar: Calendar, rng: np.random.Generator) -> None:
    """The responsible doctor by member and month."""
    table = attribution(desk.people, calendar, rng)
    member = desk.member(table["person"])
    file.write(
        {
            "person_id": member,
            "member_id": member,
            "year_month": table["month"],
            "plan": desk.plan_name(table["person"], table["contract"]),
            "payer_attributed_provider": desk.providers.npi[table["provider"]],
            "payer_attributed_provider_practice": desk.providers.practice[table["provider"]],
        }
    )


def file_medical(file: TableWriter, desk: Desk, lines: Columns, year: int) -> None:
    """Claim lines; the admission and discharge dates only of stays."""
    who, inpatient, institutional = lines["person"], lines["inpatient"], lines["bill"] != ""
    member, facility = desk.member(who), desk.hospital(who)
    doctor = desk.providers.npi[desk.people.provider_on(lines["start"], who)]
    died = lines["end"] >= desk.people.death[who]
    columns = {
        "claim_id": desk.numbered("M", year, lines["claim"]),
        "claim_line_number": lines["line"],
        "claim_type": np.where(institutional, "institutional", "professional"),
        "person_id": member,
        "member_id": member,
        "plan": desk.plan_name(who, lines["contract"]),
        "claim_start_date": lines["start"],
        "claim_end_date": lines["end"],
        "claim_line_start_date": lines["start"],
        "claim_line_end_date": lines["end"],
        "admission_date": np.where(inpatient, lines["start"], NOWHERE),
        "discharge_date": np.where(inpatient, lines["end"], NOWHERE),
        "discharge_disposition_code": np.where(inpatient, np.where(died, "20", "01"), ""),
        "place_of_service_code": lines["place"],
        "bill_type_code": lines["bill"],
        "revenue_center_code": lines["revenue"],
        "service_unit_quantity": lines["units"],
        "hcpcs_code": lines["hcpcs"],
        "rendering_npi": np.where(institutional, "", doctor),
        "billing_npi": np.where(institutional, facility, doctor),
        "facility_npi": np.where(institutional, facility, ""),
        "paid_date": lines["paid_on"],
        "paid_amount": np.round(lines["paid"], 2),
        "allowed_amount": np.round(lines["paid"] * 1.2, 2),
        "charge_amount": np.round(lines["paid"] * 2.1, 2),
    }
    file.write(columns | {f"diagnosis_code_{slot + 1}": lines["codes"][:, slot] for slot in range(SLOTS)})


def file_pharmacy(file: TableWriter, desk: Desk, lines: Columns, year: int) -> None:
    """Fills and their reversals."""
    member = desk.member(lines["person"])
    file.write(
        {
            "claim_id": desk.numbered("P", year, lines["claim"]),
            "claim_line_number": lines["line"],
            "person_id": member,
            "member_id": member,
            "plan": desk.plan_name(lines["person"], lines["contract"]),
            "prescribing_provider_npi": desk.providers.npi[desk.people.provider_on(lines["day"], lines["person"])],
            "dispensing_provider_npi": np.array([npi(FIRST_PHARMACY + index) for index in range(40)])[
                desk.people.provider[lines["person"]] % 40
            ],
            "dispensing_date": lines["day"],
            "ndc_code": np.array([drug.ndc for drug in desk.drugs])[lines["drug"]],
            "quantity": lines["quantity"],
            "days_supply": lines["supply"],
            "paid_date": lines["paid_on"],
            "paid_amount": lines["paid"],
            "allowed_amount": np.round(lines["paid"] * 1.1, 2),
        }
    )


def _described(codes: np.ndarray) -> np.ndarray:
    known, where = np.unique(codes, return_inverse=True)
    return np.array([DESCRIPTIONS[code] for code in known.tolist()], dtype="<U50")[where]


def file_results(file: TableWriter, desk: Desk, facts: Columns, year: int) -> None:
    """Laboratory results; the result is known the day after collection."""
    member, noon = desk.member(facts["person"]), np.timedelta64(12 * 3600, "s")
    collected = facts["day"].astype("datetime64[s]") + noon
    file.write(
        {
            "lab_result_id": desk.numbered("L", year, np.arange(len(member))),
            "person_id": member,
            "patient_id": member,
            "source_component_type": np.full(len(member), "loinc"),
            "source_component_code": facts["loinc"],
            "source_component_description": _described(facts["loinc"]),
            "normalized_component_type": np.full(len(member), "loinc"),
            "normalized_component_code": facts["loinc"],
            "normalized_component_description": _described(facts["loinc"]),
            "status": np.full(len(member), "final"),
            "result": facts["result"],
            "collection_datetime": collected,
            "result_datetime": collected,
            "source_units": facts["unit"],
            "normalized_units": facts["unit"],
            "ordering_practitioner_id": desk.providers.npi[desk.people.provider_on(facts["day"], facts["person"])],
        }
    )


def file_observations(file: TableWriter, desk: Desk, facts: Columns, year: int) -> None:
    """Vital signs and imaging seen in health records."""
    member = desk.member(facts["person"])
    imaging = facts["loinc"] == "24606-6"
    file.write(
        {
            "observation_id": desk.numbered("O", year, np.arange(len(member))),
            "person_id": member,
            "patient_id": member,
            "observation_date": facts["day"],
            "observation_type": np.where(imaging, "imaging", "vital-signs"),
            "source_code_type": np.full(len(member), "loinc"),
            "source_code": facts["loinc"],
            "source_description": _described(facts["loinc"]),
            "normalized_code_type": np.full(len(member), "loinc"),
            "normalized_code": facts["loinc"],
            "normalized_description": _described(facts["loinc"]),
            "result": facts["result"],
            "source_units": facts["unit"],
            "normalized_units": facts["unit"],
        }
    )


FILE_FACTS = {"lab_result": file_results, "observation": file_observations}

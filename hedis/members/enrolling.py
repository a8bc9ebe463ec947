"""Members, spans, providers and attribution as a file tells them: set-based, and only what is different is written.

Rows come in by COPY into temporary tables and go on by `INSERT … ON CONFLICT … WHERE … IS DISTINCT FROM`: however many
members, the same few statements, and a second import of the same rows writes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audit import ledger
from audit.models import Event

Row = Sequence[object]


@dataclass(frozen=True)
class Enrolled:
    """Rows that were new or different."""

    members: int
    contracts: int
    enrolments: int
    providers: int
    attributions: int
    activity: int


INCOMING = {
    "incoming_member": "pseudonym text, birth_year int, sex text, low_income_subsidy boolean, dual_status_code text, "
    "original_reason_code text, language text, first_seen_date date, deceased_date date",
    "incoming_span": "pseudonym text, contract text, plan_benefit_package text, start_date date, end_date date",
    "incoming_provider": "npi text, name text, practice text",
    "incoming_attribution": "pseudonym text, npi text, start_date date, end_date date",
}

MEMBERS = """
INSERT INTO members_member (pseudonym, key_version, birth_year, sex, low_income_subsidy, dual_status_code,
    original_reason_code, language, first_seen_date, deceased_date, active)
SELECT pseudonym, %s, birth_year, sex, low_income_subsidy, dual_status_code, original_reason_code, language,
    first_seen_date, deceased_date, false
FROM incoming_member
ON CONFLICT (pseudonym) DO UPDATE SET
    key_version = excluded.key_version, birth_year = excluded.birth_year, sex = excluded.sex,
    low_income_subsidy = excluded.low_income_subsidy, dual_status_code = excluded.dual_status_code,
    original_reason_code = excluded.original_reason_code, language = excluded.language,
    first_seen_date = excluded.first_seen_date, deceased_date = excluded.deceased_date
WHERE (members_member.key_version, members_member.birth_year, members_member.sex, members_member.low_income_subsidy,
    members_member.dual_status_code, members_member.original_reason_code, members_member.language,
    members_member.first_seen_date, members_member.deceased_date)
    IS DISTINCT FROM (excluded.key_version, excluded.birth_year, excluded.sex, excluded.low_income_subsidy,
    excluded.dual_status_code, excluded.original_reason_code, excluded.language, excluded.first_seen_date,
    excluded.deceased_date)
"""
CONTRACTS = """
INSERT INTO members_contract (number, name, organisation, parent_organisation, plan_type, snp_kind, puerto_rico_only)
SELECT DISTINCT contract, '', '', '', '', '', false FROM incoming_span WHERE contract <> ''
ON CONFLICT (number) DO NOTHING
"""
WANTED_SPANS = """
CREATE TEMPORARY TABLE wanted_span ON COMMIT DROP AS
SELECT member.id AS member_id, contract.id AS contract_id, span.plan_benefit_package, span.start_date, span.end_date
FROM incoming_span span
JOIN members_member member USING (pseudonym)
LEFT JOIN members_contract contract ON contract.number = span.contract
"""
ENDED_SPANS = """
DELETE FROM members_enrolment old USING members_member member, incoming_member incoming
WHERE old.member_id = member.id AND member.pseudonym = incoming.pseudonym AND NOT EXISTS (
    SELECT FROM wanted_span wanted WHERE wanted.member_id = old.member_id
    AND wanted.contract_id IS NOT DISTINCT FROM old.contract_id
    AND wanted.plan_benefit_package = old.plan_benefit_package AND wanted.start_date = old.start_date)
"""
SPANS = """
INSERT INTO members_enrolment (member_id, contract_id, plan_benefit_package, start_date, end_date)
SELECT member_id, contract_id, plan_benefit_package, start_date, end_date FROM wanted_span
ON CONFLICT ON CONSTRAINT enrolment_once DO UPDATE SET end_date = excluded.end_date
WHERE members_enrolment.end_date IS DISTINCT FROM excluded.end_date
"""
PROVIDERS = """
INSERT INTO members_provider (npi, name, practice)
SELECT npi, name, practice FROM incoming_provider
ON CONFLICT (npi) DO UPDATE SET
    name = coalesce(nullif(excluded.name, ''), members_provider.name),
    practice = coalesce(nullif(excluded.practice, ''), members_provider.practice)
WHERE (coalesce(nullif(excluded.name, ''), members_provider.name),
    coalesce(nullif(excluded.practice, ''), members_provider.practice))
    IS DISTINCT FROM (members_provider.name, members_provider.practice)
"""
WANTED_ATTRIBUTIONS = """
CREATE TEMPORARY TABLE wanted_attribution ON COMMIT DROP AS
SELECT member.id AS member_id, provider.id AS provider_id, incoming.start_date, incoming.end_date
FROM incoming_attribution incoming
JOIN members_member member USING (pseudonym)
JOIN members_provider provider USING (npi)
"""
OLD_ATTRIBUTIONS = """
DELETE FROM members_attribution old WHERE old.member_id IN (SELECT member_id FROM wanted_attribution) AND NOT EXISTS (
    SELECT FROM wanted_attribution wanted WHERE wanted.member_id = old.member_id
    AND wanted.provider_id = old.provider_id AND wanted.start_date = old.start_date
    AND wanted.end_date IS NOT DISTINCT FROM old.end_date)
"""
ATTRIBUTIONS = """
INSERT INTO members_attribution (member_id, provider_id, start_date, end_date)
SELECT member_id, provider_id, start_date, end_date FROM wanted_attribution wanted
WHERE NOT EXISTS (
    SELECT FROM members_attribution old WHERE wanted.member_id = old.member_id
    AND wanted.provider_id = old.provider_id AND wanted.start_date = old.start_date
    AND wanted.end_date IS NOT DISTINCT FROM old.end_date)
"""
# Enrolled on the last day the files vouch for: today, or the newest end of a span where all have ended.
ACTIVITY = """
WITH reference AS (SELECT least(%s::date, max(coalesce(end_date, %s::date))) AS day FROM members_enrolment),
now_active AS (
    SELECT member.id, member.deceased_date IS NULL AND EXISTS (
        SELECT FROM members_enrolment span, reference WHERE span.member_id = member.id
        AND span.start_date <= reference.day AND coalesce(span.end_date, reference.day) >= reference.day) AS active
    FROM members_member member)
UPDATE members_member member SET active = now_active.active
FROM now_active WHERE now_active.id = member.id AND member.active <> now_active.active
"""


def enrol(
    *,
    members: Iterable[Row],
    spans: Iterable[Row],
    providers: Iterable[Row] = (),
    attributions: Iterable[Row] = (),
    by: object,
) -> Enrolled:
    """Bring members and what belongs to them to the state given; one transaction, one ledger line if anything changed.

    Rows in the order of `INCOMING`; pseudonyms only, at most one row a member, one span a member, contract, package
    and start. The spans given for a member are that member's whole history: others are removed. A member's
    attributions likewise, where any are given. Members not given keep theirs.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        for (table, columns), rows in zip(INCOMING.items(), (members, spans, providers, attributions), strict=True):
            cursor.execute(f"CREATE TEMPORARY TABLE {table} ({columns}) ON COMMIT DROP")
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(f"ANALYZE {table}")
        enrolled = _apply(cursor)
        for table in (*INCOMING, "wanted_span", "wanted_attribution"):
            cursor.execute(f"DROP TABLE {table}")
        if any(asdict(enrolled).values()):
            ledger.record(
                Event.Kind.JOB, "members.enrolled", object_type="members.member", after=asdict(enrolled),
                row_count=enrolled.members, by=by,
            )  # fmt: skip
        return enrolled


def _apply(cursor: object) -> Enrolled:
    def changed(statement: str, *parameters: object) -> int:
        cursor.execute(statement, parameters)  # type: ignore[attr-defined]
        return int(cursor.rowcount)  # type: ignore[attr-defined]

    today = timezone.localdate()
    members = changed(MEMBERS, settings.PSEUDONYM_KEY_VERSION)
    contracts = changed(CONTRACTS)
    changed(WANTED_SPANS)
    enrolments = changed(ENDED_SPANS) + changed(SPANS)
    providers = changed(PROVIDERS)
    changed(WANTED_ATTRIBUTIONS)
    attributions = changed(OLD_ATTRIBUTIONS) + changed(ATTRIBUTIONS)
    return Enrolled(members, contracts, enrolments, providers, attributions, changed(ACTIVITY, today, today))

"""The set-based statements of a finding run, in the order they are taken.

`found_gap` holds what the engine says now, one row a member of the eligible population. Work statuses: a gap the
engine closes is closed by claim or by supplemental data; one it excludes is excluded; one that was settled and is not
any more is reopened; one whose member left the eligible population is not applicable any longer.
"""

STAGE = """
DROP TABLE IF EXISTS found_gap;
CREATE TEMP TABLE found_gap (
    member text NOT NULL, contract text, star_eligible boolean NOT NULL, status text NOT NULL,
    reason_code text NOT NULL, reason text NOT NULL, evidence_date date, evidence_value text NOT NULL,
    evidence_route text NOT NULL,
    supplemental_only boolean NOT NULL, exclusion text NOT NULL, exclusion_date date, closable_until date NOT NULL,
    contact_by date, definition_version text NOT NULL,
    treatment_start date, treatment_end date, treatment_days int, covered_days int, missable_days int,
    refill_due date, last_chance_date date, adherence_class text, service_month int, lag int
) ON COMMIT DROP
"""

COPY = "COPY found_gap ({columns}) FROM STDIN"

# What the engine's row means in the work layer, where the gap stands being `g.work_status` (NULL for a new gap).
WORK_STATUS = """
    CASE
        WHEN f.status = 'not-applicable' THEN 'excluded'
        WHEN f.status = 'closed-gap' AND NOT f.supplemental_only THEN 'closed_by_claim'
        WHEN f.status = 'closed-gap' AND f.evidence_route LIKE '%%non-standard%%'
            THEN 'closed_by_non_standard_supplemental'
        WHEN f.status = 'closed-gap' THEN 'closed_by_standard_supplemental'
        WHEN {standing} IN ('closed_by_claim', 'closed_by_standard_supplemental',
            'closed_by_non_standard_supplemental', 'excluded', 'deceased_or_disenrolled') THEN 'reopened'
        ELSE coalesce({standing}, 'open')
    END
"""

INSERT = f"""
WITH made AS (
    INSERT INTO gaps_gap (
        member_id, measure_id, year, contract_id, status, work_status, reason_code, reason, evidence_date,
        evidence_value, evidence_route, supplemental_only, star_eligible, exclusion, exclusion_date, data_as_of,
        closable_until, contact_by, definition_version, assigned_to_id, version, found_at, changed_at)
    SELECT m.id, %(measure)s, %(year)s, c.id, f.status, {WORK_STATUS.format(standing="NULL::text")}, f.reason_code,
        f.reason, f.evidence_date, f.evidence_value, f.evidence_route, f.supplemental_only, f.star_eligible,
        f.exclusion, f.exclusion_date, %(as_of)s, f.closable_until, f.contact_by,
        f.definition_version, m.care_manager_id, 1, statement_timestamp(), statement_timestamp()
    FROM found_gap f
    JOIN members_member m ON m.pseudonym = f.member
    LEFT JOIN members_contract c ON c.number = f.contract
    WHERE NOT EXISTS (SELECT 1 FROM gaps_gap g
        WHERE g.member_id = m.id AND g.measure_id = %(measure)s AND g.year = %(year)s)
    RETURNING id, status, work_status
)
INSERT INTO gaps_transition (gap_id, from_status, to_status, from_work_status, to_work_status, by, at, why)
SELECT id, '', status, '', work_status, %(by)s, statement_timestamp(), 'found' FROM made
"""

# Rows whose state changes, with the state they leave: read before the update, written to history by it.
UPDATE = f"""
WITH wanted AS (
    SELECT g.id, g.status AS from_status, g.work_status AS from_work_status, f.*, c.id AS contract_id,
        {WORK_STATUS.format(standing="g.work_status")} AS to_work_status
    FROM found_gap f
    JOIN members_member m ON m.pseudonym = f.member
    JOIN gaps_gap g ON g.member_id = m.id AND g.measure_id = %(measure)s AND g.year = %(year)s
    LEFT JOIN members_contract c ON c.number = f.contract
), changed AS (
    UPDATE gaps_gap g SET
        status = w.status, work_status = w.to_work_status, contract_id = w.contract_id, reason_code = w.reason_code,
        reason = w.reason, evidence_date = w.evidence_date, evidence_value = w.evidence_value,
        evidence_route = w.evidence_route, supplemental_only = w.supplemental_only, star_eligible = w.star_eligible,
        exclusion = w.exclusion, exclusion_date = w.exclusion_date, closable_until = w.closable_until,
        contact_by = w.contact_by, definition_version = w.definition_version, data_as_of = %(as_of)s,
        version = g.version + 1, changed_at = statement_timestamp()
    FROM wanted w
    WHERE g.id = w.id AND (
        g.status, g.work_status, g.contract_id, g.reason_code, g.reason, g.evidence_date, g.evidence_value,
        g.evidence_route, g.supplemental_only, g.star_eligible, g.exclusion, g.exclusion_date, g.closable_until,
        g.contact_by, g.definition_version
    ) IS DISTINCT FROM (
        w.status::varchar, w.to_work_status::varchar, w.contract_id, w.reason_code::varchar, w.reason,
        w.evidence_date, w.evidence_value::varchar, w.evidence_route::varchar, w.supplemental_only, w.star_eligible,
        w.exclusion::varchar, w.exclusion_date, w.closable_until, w.contact_by,
        w.definition_version::varchar)
    RETURNING g.id, w.from_status, w.from_work_status, w.status AS to_status, w.to_work_status, w.reason
), told AS (
    INSERT INTO gaps_transition (gap_id, from_status, to_status, from_work_status, to_work_status, by, at, why)
    SELECT id, from_status, to_status, from_work_status, to_work_status, %(by)s, statement_timestamp(),
        CASE WHEN to_work_status = 'reopened' THEN reason ELSE 'found again with other data' END
    FROM changed
    WHERE (from_status, from_work_status) IS DISTINCT FROM (to_status, to_work_status)
)
SELECT id FROM changed
"""

# Gaps whose member is no longer in the eligible population (disenrolled, moved out of the age band, corrected data).
END = """
WITH gone AS (
    SELECT g.id, g.status AS from_status, g.work_status AS from_work_status
    FROM gaps_gap g
    JOIN members_member m ON m.id = g.member_id
    LEFT JOIN members_contract c ON c.id = g.contract_id
    WHERE g.measure_id = %(measure)s AND g.year = %(year)s AND g.work_status <> 'deceased_or_disenrolled'
        AND (%(contract)s::text IS NULL OR c.number = %(contract)s)
        AND (%(member)s::text IS NULL OR m.pseudonym = %(member)s)
        AND NOT EXISTS (SELECT 1 FROM found_gap f WHERE f.member = m.pseudonym)
), ended AS (
    UPDATE gaps_gap g SET status = 'not-applicable', work_status = 'deceased_or_disenrolled', reason_code = '',
        reason = '', contact_by = NULL, data_as_of = %(as_of)s, version = g.version + 1,
        changed_at = statement_timestamp()
    FROM gone WHERE g.id = gone.id
    RETURNING g.id, gone.from_status, gone.from_work_status
)
INSERT INTO gaps_transition (gap_id, from_status, to_status, from_work_status, to_work_status, by, at, why)
SELECT id, from_status, 'not-applicable', from_work_status, 'deceased_or_disenrolled', %(by)s, statement_timestamp(),
    'no longer in the eligible population'
FROM ended
"""

# Unchanged gaps too were looked at again: their data is as of the new date. No new version: nobody's decision is stale.
SEEN = """
UPDATE gaps_gap g SET data_as_of = %(as_of)s
FROM found_gap f JOIN members_member m ON m.pseudonym = f.member
WHERE g.member_id = m.id AND g.measure_id = %(measure)s AND g.year = %(year)s AND g.data_as_of <> %(as_of)s
"""

# A run over one contract looks at everybody first, so that a member who moved to another contract is not taken for one
# who left; then the others' rows go.
NARROW = "DELETE FROM found_gap WHERE %(contract)s::text IS NOT NULL AND contract IS DISTINCT FROM %(contract)s"

STEPS = (("ended", END), ("elsewhere", NARROW), ("changed", UPDATE), ("found", INSERT), ("seen", SEEN))
# The days behind an adherence gap. A row that changes makes its gap's answer a new one to programs that keep up.
COVER = """
WITH stored AS (
    INSERT INTO gaps_adherence AS a (gap_id, treatment_start, treatment_end, treatment_days, covered_days,
        missable_days, refill_due, last_chance_date, adherence_class)
    SELECT g.id, f.treatment_start, f.treatment_end, f.treatment_days, f.covered_days, f.missable_days, f.refill_due,
        f.last_chance_date, f.adherence_class
    FROM found_gap f
    JOIN members_member m ON m.pseudonym = f.member
    JOIN gaps_gap g ON g.member_id = m.id AND g.measure_id = %(measure)s AND g.year = %(year)s
    WHERE f.adherence_class IS NOT NULL
    ON CONFLICT (gap_id) DO UPDATE SET
        treatment_start = excluded.treatment_start, treatment_end = excluded.treatment_end,
        treatment_days = excluded.treatment_days, covered_days = excluded.covered_days,
        missable_days = excluded.missable_days, refill_due = excluded.refill_due,
        last_chance_date = excluded.last_chance_date, adherence_class = excluded.adherence_class
    WHERE (a.treatment_start, a.treatment_end, a.treatment_days, a.covered_days, a.missable_days, a.refill_due,
        a.last_chance_date, a.adherence_class) IS DISTINCT FROM (excluded.treatment_start, excluded.treatment_end,
        excluded.treatment_days, excluded.covered_days, excluded.missable_days, excluded.refill_due,
        excluded.last_chance_date, excluded.adherence_class)
    RETURNING gap_id
)
UPDATE gaps_gap g SET changed_at = statement_timestamp() FROM stored WHERE g.id = stored.gap_id
"""

# Who left the eligible population, or has no fill left to count from, has no adherence to show.
UNCOVER = """
DELETE FROM gaps_adherence a USING gaps_gap g, members_member m
WHERE g.id = a.gap_id AND m.id = g.member_id AND g.measure_id = %(measure)s AND g.year = %(year)s AND (
    g.work_status = 'deceased_or_disenrolled'
    OR EXISTS (SELECT 1 FROM found_gap f WHERE f.member = m.pseudonym AND f.adherence_class IS NULL))
"""
ADHERENCE_STEPS = (("covered", COVER), ("uncovered", UNCOVER))

CHANGES = ("ended", "changed", "found")

TALLY = """
SELECT f.contract, f.status, f.star_eligible, f.service_month, f.lag, count(*) FROM found_gap f GROUP BY 1, 2, 3, 4, 5
"""

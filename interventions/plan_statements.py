"""The statements that turn staged proposals into interventions. Each looks at all rows at once."""

STAGE = """
DROP TABLE IF EXISTS proposed, proposed_gap, chosen;
CREATE TEMP TABLE proposed (
    row integer PRIMARY KEY, member text, kind text, channel text, ready_by date, cost numeric, priority numeric,
    value numeric, due_date date, owner bigint
) ON COMMIT DROP;
CREATE TEMP TABLE proposed_gap (row integer, measure text, uplift double precision) ON COMMIT DROP;
"""
COPY_PROPOSALS = "COPY proposed FROM STDIN"
COPY_UPLIFTS = "COPY proposed_gap FROM STDIN"
ANALYZE = "ANALYZE proposed; ANALYZE proposed_gap"

UNKNOWN_MEMBER = """
SELECT p.row, 'member: there is no such member' FROM proposed AS p
 WHERE NOT EXISTS (SELECT FROM members_member AS m WHERE m.pseudonym = p.member) ORDER BY p.row LIMIT %(most)s
"""
UNKNOWN_GAP = """
SELECT p.row, 'uplift.' || u.measure || ': this member has no such gap in ' || %(year)s
  FROM proposed AS p
  JOIN members_member AS m ON m.pseudonym = p.member
  JOIN proposed_gap AS u ON u.row = p.row
 WHERE NOT EXISTS (SELECT FROM gaps_gap AS g JOIN measures_measure AS k ON k.id = g.measure_id
                    WHERE g.member_id = m.id AND g.year = %(year)s AND k.code = u.measure)
 ORDER BY p.row LIMIT %(most)s
"""
OTHER_CONTRACT = """
SELECT p.row, 'uplift.' || u.measure || ': this gap belongs to another contract than the campaign'
  FROM proposed AS p
  JOIN members_member AS m ON m.pseudonym = p.member
  JOIN proposed_gap AS u ON u.row = p.row
  JOIN measures_measure AS k ON k.code = u.measure
  JOIN gaps_gap AS g ON g.member_id = m.id AND g.measure_id = k.id AND g.year = %(year)s
 WHERE %(contract)s::bigint IS NOT NULL AND g.contract_id IS DISTINCT FROM %(contract)s::bigint
 ORDER BY p.row LIMIT %(most)s
"""
TWICE = """
SELECT row, 'kind: the same member and kind stand in row ' || first
  FROM (SELECT row, min(row) OVER (PARTITION BY member, kind) AS first FROM proposed) AS seen
 WHERE row > first ORDER BY row LIMIT %(most)s
"""
CHECKS = (UNKNOWN_MEMBER, UNKNOWN_GAP, OTHER_CONTRACT, TWICE)

# Who is left out and why, or the id the intervention will have.
CHOOSE = """
CREATE TEMP TABLE chosen ON COMMIT DROP AS
WITH held AS (
    SELECT DISTINCT l.gap_id
      FROM interventions_interventiongap AS l JOIN interventions_intervention AS i ON i.id = l.intervention_id
     WHERE i.held_out AND i.state = 'planned'
), about AS (
    SELECT u.row,
           count(*) FILTER (WHERE g.status IN ('open-gap', 'prospective-gap')) AS unmet,
           count(*) FILTER (WHERE g.contact_by >= %(today)s AND g.closable_until >= p.ready_by) AS in_time,
           min(g.contact_by) FILTER (WHERE g.contact_by >= %(today)s) AS contact_by,
           min(g.assigned_to_id) AS assigned_to,
           count(held.gap_id) AS held_out
      FROM proposed_gap AS u
      JOIN proposed AS p ON p.row = u.row
      JOIN members_member AS m ON m.pseudonym = p.member
      JOIN measures_measure AS k ON k.code = u.measure
      JOIN gaps_gap AS g ON g.member_id = m.id AND g.measure_id = k.id AND g.year = %(year)s
      LEFT JOIN held ON held.gap_id = g.id
     GROUP BY u.row
), judged AS (
    SELECT p.*, m.id AS member_id, m.care_manager_id, about.contact_by, about.assigned_to,
           CASE WHEN NOT m.active OR m.deceased_date IS NOT NULL THEN 'left'
                WHEN about.unmet = 0 THEN 'met'
                WHEN about.in_time = 0 AND NOT %(late_too)s THEN 'too_late'
                WHEN EXISTS (SELECT FROM interventions_intervention AS i
                              WHERE i.member_id = m.id AND i.kind = p.kind AND i.state IN ('planned', 'in_progress')
                                AND i.campaign_id IS NOT DISTINCT FROM %(campaign)s::bigint) THEN 'planned'
                WHEN p.channel IN ('phone', 'text') AND EXISTS (
                     SELECT FROM members_contactpreference AS c WHERE c.member_id = m.id AND c.do_not_call)
                     THEN 'do_not_call'
                WHEN about.held_out > 0 THEN 'held_out'
                ELSE '' END AS left_out
      FROM proposed AS p
      JOIN members_member AS m ON m.pseudonym = p.member
      JOIN about ON about.row = p.row
)
SELECT judged.*,
       CASE WHEN left_out = '' THEN nextval(pg_get_serial_sequence('interventions_intervention', 'id')) END AS id
  FROM judged
"""
INSERT = """
INSERT INTO interventions_intervention (
    id, campaign_id, member_id, year, kind, state, held_out, priority, expected_value, estimated_cost, contact_by,
    due_date, owner_id, outcome, reason, planned_by, planned_at, version, changed_at)
SELECT id, %(campaign)s, member_id, %(year)s, kind, 'planned', NULL, priority, value, cost, contact_by,
       due_date, coalesce(owner, assigned_to, care_manager_id), '', '', %(by)s, %(at)s, 1, %(at)s
  FROM chosen WHERE left_out = '' ORDER BY row
"""
INSERT_GAPS = """
INSERT INTO interventions_interventiongap (intervention_id, gap_id, uplift)
SELECT c.id, g.id, u.uplift
  FROM chosen AS c
  JOIN proposed_gap AS u ON u.row = c.row
  JOIN measures_measure AS k ON k.code = u.measure
  JOIN gaps_gap AS g ON g.member_id = c.member_id AND g.measure_id = k.id AND g.year = %(year)s
 WHERE c.left_out = '' AND g.status IN ('open-gap', 'prospective-gap')
"""
INSERT_STEPS = """
INSERT INTO interventions_interventiontransition (intervention_id, from_state, to_state, by, at, why)
SELECT id, '', 'planned', %(by)s, %(at)s, '' FROM chosen WHERE left_out = ''
"""
LEFT_OUT = "SELECT left_out, count(*) FROM chosen WHERE left_out <> '' GROUP BY left_out ORDER BY left_out"
MEMBERS = "SELECT member FROM chosen WHERE left_out = '' ORDER BY row"

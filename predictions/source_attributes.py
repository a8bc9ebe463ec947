"""What people must be told about a predictive model before they rely on it: 31 attributes, in our words.

Source: 45 CFR 170.315(b)(11)(iv)(B) (HTI-1 final rule, decision support interventions), in the rule's order. Kept as
good practice; nothing here is certified health IT.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attribute:
    """One attribute: its place in the rule, its key in stored data, what to write there."""

    number: int
    key: str
    label: str


WORDING = (
    ("developer", "Who developed it, and how to reach them"),
    ("funding", "Who paid for its technical implementation"),
    ("output", "What value it puts out"),
    ("output_type", "Type of output: prediction, classification, recommendation, evaluation, analysis or other"),
    ("intended_use", "What it is meant to be used for"),
    ("intended_population", "Whom it is meant to be used on"),
    ("intended_users", "Who is meant to use it"),
    ("decision_role", "Its part in the decision: informs, augments or replaces a person's judgement"),
    ("cautioned_against", "Tasks, situations and populations its use is cautioned against"),
    ("known_risks", "Known risks, unsuitable settings and uses, limitations"),
    ("training_criteria", "Who and what was in the training data, and who was left out"),
    ("sensitive_inputs", "Which of race, ethnicity, language, sexual orientation, gender identity, sex, date of birth, "
     "social determinants and health status are inputs"),
    ("training_demographics", "How well the training data represent people on those characteristics"),
    ("training_relevance", "How the training data resemble the setting it is used in"),
    ("fairness_approach", "How its output was made fair"),
    ("bias_management", "How bias is managed, reduced or removed"),
    ("external_data", "Where the data for testing outside came from, for validity and fairness"),
    ("external_tester", "Who tested it outside"),
    ("external_demographics", "How well the outside data represent people"),
    ("external_process", "How it was tested outside"),
    ("validity_internal", "How right it is on test data of the same source"),
    ("fairness_internal", "How fair it is on test data of the same source"),
    ("validity_external", "How right it is on outside data"),
    ("fairness_external", "How fair it is on outside data"),
    ("outcome_studies", "Where its effect on outcomes was studied"),
    ("validity_monitoring", "How, and how often, its rightness is watched"),
    ("validity_local", "How right it is on local data"),
    ("fairness_monitoring", "How, and how often, its fairness is watched"),
    ("fairness_local", "How fair it is on local data"),
    ("updates", "How, and how often, it is updated"),
    ("corrections", "How often performance is corrected when a risk to rightness or fairness is found"),
)  # fmt: skip

ATTRIBUTES = tuple(Attribute(number, key, label) for number, (key, label) in enumerate(WORDING, start=1))
KEYS = frozenset(attribute.key for attribute in ATTRIBUTES)
# The attributes in groups that one person fills in at a sitting: name, first and last number.
GROUPS = (
    ("What it is", 1, 4),
    ("What it is for", 5, 10),
    ("What it learnt from", 11, 14),
    ("Fairness by design", 15, 16),
    ("Testing outside", 17, 20),
    ("What tests and studies found", 21, 25),
    ("Care while it is in use", 26, 31),
)

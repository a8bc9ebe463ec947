"""The words of the workflows: states, outcomes, kinds, channels, dispositions."""

from django.db import models


class CampaignState(models.TextChoices):
    """Where a campaign stands. What may follow what: `workflow.CAMPAIGN_STEPS`."""

    DRAFT = "draft", "Draft"
    APPROVED = "approved", "Approved"
    RUNNING = "running", "Running"
    CLOSED = "closed", "Closed"
    CANCELLED = "cancelled", "Cancelled"


class State(models.TextChoices):
    """Where an intervention stands. What may follow what: `workflow.STEPS`."""

    PLANNED = "planned", "Planned"
    IN_PROGRESS = "in_progress", "In progress"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"


LIVE = (State.PLANNED, State.IN_PROGRESS)


class Outcome(models.TextChoices):
    """How a completed intervention ended. None of them closes a gap."""

    SUCCESS = "success", "Success"
    PARTIAL = "partial", "Partial success"
    FAILED = "failed", "Failed"


class Kind(models.TextChoices):
    """What is done. Cost, lead time and source of each: `reference/actions.csv`."""

    CALL = "call", "Call"
    LAB_BUNDLE = "lab_bundle", "Lab bundle"
    PCP_VISIT = "pcp_visit", "PCP visit"
    SPECIALIST = "specialist", "Specialist visit"
    MEDICATION = "medication", "Medication"
    MAILED_KIT = "mailed_kit", "Mailed kit"
    HOME_VISIT = "home_visit", "Home visit"


class Channel(models.TextChoices):
    """How a member is reached."""

    PHONE = "phone", "Telephone"
    TEXT = "text", "Text message"
    MAIL = "mail", "Letter"
    PORTAL = "portal", "Member portal"
    VISIT = "visit", "In person"


class Disposition(models.TextChoices):
    """How one attempt ended."""

    AGREED = "reached_agreed", "Reached: agreed"
    SCHEDULED = "reached_scheduled", "Reached: appointment made"
    ALREADY_DONE = "reached_already_done", "Reached: already done"
    REFUSED = "reached_refused", "Reached: refused"
    CALL_BACK = "reached_call_back", "Reached: call back"
    NEEDS_HELP = "reached_needs_help", "Reached: needs help"
    VOICEMAIL = "voicemail", "Left voicemail"
    NO_ANSWER = "no_answer", "No answer"
    BUSY = "busy", "Busy"
    WRONG_NUMBER = "wrong_number", "Wrong number"
    DISCONNECTED = "disconnected", "Number disconnected"
    LANGUAGE_LINE = "language_line_needed", "Language line needed"
    THIRD_PARTY = "third_party", "Spoke with somebody else"
    SENT = "sent", "Sent"
    RETURNED = "returned", "Came back undelivered"
    DO_NOT_CALL = "do_not_call_request", "Asked not to be called"
    DECEASED = "deceased", "Deceased"
    MOVED = "moved_or_disenrolled", "Moved or disenrolled"

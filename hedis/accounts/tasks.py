"""What the clock does for this room."""

from django.utils import timezone

from hedis.accounts.models import IdempotentAnswer
from hedis.lib import jobs


@jobs.by_clock("accounts.forget_answers", cron="7 * * * *")
def forget_answers(timestamp: int) -> None:
    """Every hour: delete answers to repeated requests that are past their day; they may show members."""
    IdempotentAnswer.objects.expired(timezone.now()).delete()

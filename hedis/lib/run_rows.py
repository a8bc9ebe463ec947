"""What the API shows of any run of hedis.lib.runs."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from hedis.lib import jobs
from hedis.lib.runs import Run, RunState


class RunRow(serializers.Serializer[Any]):
    """How far a run is."""

    id = serializers.IntegerField()
    year = serializers.IntegerField(help_text="Measurement year.")
    state = serializers.ChoiceField(RunState.choices, help_text="`queued`: no worker has taken it yet.")
    done = serializers.IntegerField(help_text="Units of work done.")
    total = serializers.IntegerField(help_text="0 until the run begins.")
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    heard_at = serializers.DateTimeField(allow_null=True, help_text="Last sign of life.")
    finished_at = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField(help_text="Why it failed.")


class Watched(serializers.Serializer[Any]):
    """Whether anybody works on a run; stands before its row."""

    waiting_for_worker = serializers.SerializerMethodField(help_text="No worker lives: start `manage.py work`.")
    stalled = serializers.SerializerMethodField(help_text="Running, without a sign of life for too long.")

    def get_waiting_for_worker(self, run: Run) -> bool:
        return run.state == RunState.QUEUED and not jobs.worker_alive()

    def get_stalled(self, run: Run) -> bool:
        return run.is_stalled(timezone.now())

"""The settings, and the tests' own tasks."""

from hedis.settings import *  # noqa: F403 - the whole point

PROCRASTINATE_IMPORT_PATHS = ["tests.journeys.counting"]

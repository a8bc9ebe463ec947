"""Loaded before settings are read (`-p tests.environment`): secrets of the tests and a throw-away PostgreSQL.

One server for the whole run: the controller starts it, xdist's workers inherit its address and make their own
databases on it. TEST_DATABASE_URL names another server instead.
"""

import atexit
import os
import tempfile
from contextlib import ExitStack

from hedis.lib import postgres

os.environ["DJANGO_SETTINGS_MODULE"] = "hedis.settings"
os.environ["SECRET_KEY"] = "tests-only-e1b0c3a55d2f4f6c8a7b9d0e2f4a6c8e0123456789"
os.environ["PSEUDONYM_KEY"] = "tests-only-9f8e7d6c5b4a39281706f5e4d3c2b1a00123456789"
os.environ["DEBUG"] = "false"
os.environ["BEHIND_TLS"] = "false"
os.environ["DATABASE_POOL"] = "false"

if "PYTEST_XDIST_WORKER" not in os.environ:
    resources = ExitStack()
    atexit.register(resources.close)
    if "TEST_DATABASE_URL" not in os.environ:
        os.environ["TEST_DATABASE_URL"] = resources.enter_context(postgres.temporary())
    os.environ["DATA_DIR"] = resources.enter_context(tempfile.TemporaryDirectory(prefix="hedis-tests-"))
os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]

"""The way in for web servers: `gunicorn hedis.wsgi`."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hedis.settings")
# A server keeps connections; a command does not. Set before settings are read.
os.environ.setdefault("DATABASE_POOL", "true")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

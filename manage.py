#!/usr/bin/env python
"""The way in for operators: `python manage.py NAME`."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hedis.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)

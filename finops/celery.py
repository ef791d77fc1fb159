"""The Celery app. Its messages are doorbells: what is to be done stands in the job table (ADR 0010)."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops.settings")

app = Celery("finops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = ("finops.tasks",)

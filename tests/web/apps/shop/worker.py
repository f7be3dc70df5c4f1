"""What `toril worker shop.worker:app` loads: Django first, then the jobs."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

from jobs import app  # noqa: E402

__all__ = ["app"]

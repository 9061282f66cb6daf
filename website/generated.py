"""The pages that are made from the code: they can't be out of date."""

from __future__ import annotations

from website.api import api_pages
from website.reference import metrics_page, recipes_page, settings_page


def generated() -> dict[str, str]:
    """Each page's path in the site and its text."""
    return {"settings.md": settings_page(), "metrics.md": metrics_page(), "recipes.md": recipes_page(), **api_pages()}

"""What every template may say about the product itself."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def product(request: HttpRequest) -> dict[str, object]:
    """Tell every page whether it shows the sandbox, so that it can wear the mark."""
    return {"sandbox": settings.SANDBOX, "sandbox_page_url": settings.SANDBOX_PAGE_URL}

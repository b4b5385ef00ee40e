"""Builds refusals in the format of the real API (https://developers.telnyx.com/docs/overview/errors)."""

from __future__ import annotations

from typing import Any

_TITLES = {
    "10004": "Missing required parameter",
    "10005": "Resource not found",
    "10009": "Authentication failed",
    "10010": "Authorization failed",
    "10011": "Too many requests",
    "10015": "Bad Request",
    "10016": "Phone number must be in +E164 format",
    "10026": "Invalid parameter type",
    "10032": "Invalid enumerated value",
    "10033": "Value outside of range",
    "90015": "Invalid Call Control ID",
    "90017": "Invalid client state",
    "90018": "Call has already ended",
    "90019": "Conference has already ended",
    "90033": "Unable to execute command",
    "90034": "Call not answered yet",
    "90044": "Participant already in conference",
    "90058": "Conference does not exist",
    "90102": "Outbound calls cannot be answered",
}


class ApiError(Exception):
    """A refusal with its HTTP status and Telnyx code."""

    def __init__(self, status: int, code: str, detail: str = "", *, pointer: str | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.pointer = pointer

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "title": _TITLES.get(self.code, "Unprocessable Entity")}
        error["detail"] = self.detail or f"{error['title']}."
        if self.pointer:
            error["source"] = {"pointer": self.pointer} if self.pointer.startswith("/") else {"parameter": self.pointer}
        error["meta"] = {"url": f"https://developers.telnyx.com/docs/overview/errors/{self.code}"}
        return {"errors": [error]}


def not_found(detail: str = "The requested resource or URL could not be found.") -> ApiError:
    return ApiError(404, "10005", detail)

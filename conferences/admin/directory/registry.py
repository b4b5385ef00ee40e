"""Lists the kinds of files that there are, and who may export and import each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.utils.translation import gettext_lazy

from .kinds import AgentResource, PhoneResource, TeamResource
from .rows import DirectoryResource
from .supervisors import SupervisorResource


@dataclass(frozen=True, slots=True)
class FileKind:
    """One kind of file: who may export and import it, and how its rows are taken."""

    slug: str
    name: Any
    told: str
    """Its name in the audit."""
    resource: type[DirectoryResource]
    permissions: tuple[str, ...]
    help: Any


KINDS = {
    kind.slug: kind
    for kind in (
        FileKind(
            "teams",
            gettext_lazy("Teams"),
            "teams",
            TeamResource,
            ("conferences.add_team", "conferences.change_team"),
            gettext_lazy("A name in each row."),
        ),
        FileKind(
            "agents",
            gettext_lazy("Agents"),
            "agents",
            AgentResource,
            ("conferences.add_agent", "conferences.change_agent"),
            gettext_lazy(
                "A row is about the agent who has its reference, else its SIP credential, else its number; without "
                "such an agent it is a new one. Rows with neither name nor team are left out."
            ),
        ),
        FileKind(
            "supervisors",
            gettext_lazy("Supervisors and their rights"),
            "supervisors",
            SupervisorResource,
            (
                *("auth.add_user", "auth.change_user"),
                *("conferences.add_teammembership", "conferences.change_teammembership"),
            ),
            gettext_lazy(
                "A row for each person and team. Rights are yes or no. Who is new has no password: they set one "
                "by the link in a mail, or use single sign-on. No file changes staff, or takes somebody out of a team."
            ),
        ),
        FileKind(
            "phones",
            gettext_lazy("Supervisors' phones"),
            "phones",
            PhoneResource,
            ("auth.change_user", "conferences.add_line", "conferences.change_line"),
            gettext_lazy("A row is about the phone that this person has with this address."),
        ),
    )
}


def kinds_for(request: HttpRequest) -> list[FileKind]:
    """Return the kinds that somebody may export and import: whoever may add and change them one by one."""
    return [kind for kind in KINDS.values() if request.user.has_perms(kind.permissions)]


def kind_for(request: HttpRequest, slug: str) -> FileKind:
    """Return a kind to somebody who may export and import it. Raises Http404, PermissionDenied."""
    kind = KINDS.get(slug)
    if kind is None:
        raise Http404
    if not request.user.has_perms(kind.permissions):
        raise PermissionDenied
    return kind

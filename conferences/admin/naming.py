"""Shows rows of other tables by name and as links, where a row holds only their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from conferences.models import Conference, Leg, Team
from conferences.permissions import conferences_of


def link_to(model: type[Model], pk: object, *, gone: str = "") -> Any:
    """Return a link to a row's page in the admin, by its name; what stands for it where the row was deleted."""
    row = model._default_manager.filter(pk=pk).first() if pk else None
    if row is None:
        return gone
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', address, str(row))


def named_legs(field: str, description: Any) -> Callable[[Any, Any], str]:
    """Return a field of a page that names the legs whose ids a column holds."""

    def shown(_page: Any, row: Any) -> str:
        ids: Iterable[str] = getattr(row, field)
        legs = Leg.objects.select_related("agent").defer("facts").filter(pk__in=list(ids))
        return ", ".join(sorted(str(leg) for leg in legs))

    return admin.display(description=description)(shown)


class TeamFilter(admin.SimpleListFilter):
    """The conferences of a team, whether by an agent, a phone application or a rule; and what belongs to these."""

    title = _("team")
    parameter_name = "of_team"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return list(Team.objects.order_by("name").values_list("pk", "name"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value() or ""
        if not (chosen.isascii() and chosen.isdigit()):
            return queryset
        return self.within(queryset, conferences_of(frozenset({int(chosen)})).order_by(), team=int(chosen))

    def within(self, rows: QuerySet[Any], conferences: QuerySet[Conference], *, team: int) -> QuerySet[Any]:
        """Return the rows that belong to these conferences."""
        return rows.filter(pk__in=conferences.values("pk"))


class TeamOfLegFilter(TeamFilter):
    """The legs of a team's agents, and those in its conferences."""

    def within(self, rows: QuerySet[Any], conferences: QuerySet[Conference], *, team: int) -> QuerySet[Any]:
        inside = Q(participations__conference__in=conferences.values("pk"))
        return rows.filter(pk__in=Leg.objects.filter(Q(agent__team=team) | inside).values("pk"))


class TeamOfEntryFilter(TeamFilter):
    """The audit entries about a team's conferences."""

    def within(self, rows: QuerySet[Any], conferences: QuerySet[Conference], *, team: int) -> QuerySet[Any]:
        return rows.filter(conference_id__in=conferences.values("pk"))

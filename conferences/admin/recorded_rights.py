"""Records every change of rights in the admin, whether it is of a membership, a person or a group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from conferences import audit
from conferences.models import TeamMembership

from .generic import AnyModelAdmin
from .memberships import RIGHTS


class RecordedMembershipsAdmin(AnyModelAdmin):
    """A page on which rights per team change; what is deleted takes its memberships with it."""

    membership_field: str
    """The field by which a membership belongs to what this page edits."""

    def save_related(self, request: HttpRequest, form: ModelForm[Any], formsets: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        with self._recorded(request, [form.instance.pk]):
            super().save_related(request, form, formsets, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with self._recorded(request, [obj.pk]):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with self._recorded(request, list(queryset.values_list("pk", flat=True))):
            super().delete_queryset(request, queryset)

    @contextmanager
    def _recorded(self, request: HttpRequest, edited: list[Any]) -> Iterator[None]:
        concerned = TeamMembership.objects.filter(**{f"{self.membership_field}__in": edited})
        before = _by_membership(concerned)
        yield
        after = _by_membership(concerned)
        for whose in sorted(before.keys() | after.keys()):
            record(request, whose, before=before.get(whose, []), after=after.get(whose, []))


def record_form(request: HttpRequest, whose: str, form: ModelForm[Any], fields: Iterable[str]) -> None:
    """Record what somebody or a group gained and lost by a form, in those of these fields that it has."""
    edited = [name for name in fields if name in form.fields]
    before = [right for name in edited for right in _in_words(form, name, form.initial.get(name))]
    after = [right for name in edited for right in _in_words(form, name, form.cleaned_data.get(name))]
    record(request, whose, before=before, after=after)


def record(request: HttpRequest, whose: str, *, before: list[str], after: list[str]) -> None:
    """Record which rights were gained and lost; nothing where they are the same."""
    gained, lost = ([right for right in one if right not in other] for one, other in ((after, before), (before, after)))
    told = [f"{done} {', '.join(rights)}" for done, rights in (("gained", gained), ("lost", lost)) if rights]
    if told:
        actor = request.user if isinstance(request.user, User) else None
        action = audit.Action.RIGHTS_CHANGED
        audit.record(action, at=timezone.now(), actor=actor, detail=f"{whose}: {'; '.join(told)}")


def rights_of(member: TeamMembership) -> list[str]:
    """Return the rights of a membership in words; to be a member is the right to see."""
    words = {right: str(TeamMembership._meta.get_field(right).verbose_name) for right in RIGHTS}  # type: ignore[union-attr]
    return ["may see", *(words[right] for right in RIGHTS if getattr(member, right))]


def _by_membership(memberships: QuerySet[TeamMembership]) -> dict[str, list[str]]:
    """Return whose rights in which team are which."""
    members = memberships.select_related("user", "team")
    return {f"{member.user} in {member.team}": rights_of(member) for member in members}


def _in_words(form: ModelForm[Any], name: str, value: Any) -> list[str]:
    """Return what a field of a form gives: itself where it is ticked, or what is chosen in it."""
    if isinstance(value, bool) or value is None:
        return [str(form.instance._meta.get_field(name).verbose_name)] if value else []
    return [one.codename if isinstance(one, Permission) else f"group {one}" for one in value]

"""Edits rights per team: staff cannot widen their own rights, or give a right that they do not have."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from conferences.models import TeamMembership

from .generic import AnyTabularInline

RIGHTS = ["may_monitor", "may_whisper", "may_barge", "may_see_numbers", "may_note", "is_lead"]


class MembershipFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # Django's own class takes none
    """The memberships of a team or of a person, as somebody wants to change them."""

    acting: User

    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            if form in self.deleted_forms or not form.has_changed() or form.errors:
                continue
            gained = _gained(form.instance)
            if gained and not _may_grant(self.acting, form.instance, gained):
                form.add_error(
                    None,
                    ValidationError(
                        _("Only a superuser, or somebody else who has this right in this team, can give it.")
                    ),
                )


class MembershipInline(AnyTabularInline):
    """Memberships under a team or a person."""

    model = TeamMembership
    formset = MembershipFormSet
    extra = 0

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        formset.acting = request.user  # type: ignore[attr-defined]  # a class of this request alone
        return formset


class TeamOfForm(ModelForm):  # type: ignore[type-arg]  # for agents and connections
    """Something that belongs to a team: its calls are that team's, so moving it moves who may hear them."""

    acting: User

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        before, after = self.initial.get("team"), cleaned.get("team")
        if not self.instance.pk or after is None or after.pk == before:
            return cleaned
        if _rights(self.acting, after.pk) - _rights(self.acting, before):
            self.add_error(
                "team", _("You would then hear calls that you are not allowed to hear. A superuser can move it.")
            )
        return cleaned


def _rights(acting: User, team: int | None) -> set[str]:
    own = None if acting.is_superuser else TeamMembership.objects.filter(user=acting, team=team).first()
    return {"member", *(right for right in RIGHTS if getattr(own, right))} if own else set()


def _gained(wanted: TeamMembership) -> set[str]:
    """Return the rights that somebody would gain in a team; membership itself shows the team's calls."""
    before = TeamMembership.objects.filter(pk=wanted.pk, user=wanted.user_id, team=wanted.team_id).first()
    gained = {right for right in RIGHTS if getattr(wanted, right) and not (before and getattr(before, right))}
    return gained if before else gained | {"member"}


def _may_grant(acting: User, wanted: TeamMembership, gained: set[str]) -> bool:
    if acting.is_superuser:
        return True
    return wanted.user_id != acting.pk and gained <= _rights(acting, wanted.team_id)

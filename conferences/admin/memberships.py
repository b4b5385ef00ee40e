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
            before = TeamMembership.objects.filter(
                pk=form.instance.pk, user=form.instance.user_id, team=form.instance.team_id
            ).first()
            try:
                check_grant(self.acting, before=before, wanted=form.instance)
            except ValidationError as error:
                form.add_error(None, error)


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


def check_grant(acting: User, *, before: TeamMembership | None, wanted: TeamMembership) -> None:
    """Raise ValidationError where somebody gives what is not theirs to give; membership itself shows the team's calls.

    `before` is the membership as it is stored, None for a new one.
    """
    gained = {right for right in RIGHTS if getattr(wanted, right) and not (before and getattr(before, right))}
    gained |= set() if before else {"member"}
    if not gained or acting.is_superuser:
        return
    if wanted.user_id == acting.pk or not gained <= _rights(acting, wanted.team_id):
        raise ValidationError(_("Only a superuser, or somebody else who has this right in this team, can give it."))

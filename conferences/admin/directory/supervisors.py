"""Defines the columns of files of supervisors: a row for each person and team, with the rights there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.utils.translation import gettext as _
from import_export.fields import Field

from conferences.admin.memberships import RIGHTS, check_grant
from conferences.admin.recorded_rights import record, rights_of
from conferences.models import TeamMembership

from .kinds import check_no_administrator, people_named
from .rows import DirectoryResource, TeamByName, YesOrNo, check_form, is_yes, teams_by_name

PERSON = {"username": "user name", "first_name": "first name", "last_name": "last name", "email": "e-mail"}


class PersonForm(ModelForm):  # type: ignore[type-arg]
    """A person without a password: who is new sets one by the link in a mail, or signs in by single sign-on."""

    class Meta:
        model = User
        fields = tuple(PERSON)


class SupervisorResource(DirectoryResource):
    username = Field(attribute="user__username", column_name="user name")
    first_name = Field(attribute="user__first_name", column_name="first name")
    last_name = Field(attribute="user__last_name", column_name="last name")
    email = Field(attribute="user__email", column_name="e-mail")
    team = Field(attribute="team__name", column_name="team")
    may_monitor = YesOrNo(attribute="may_monitor", column_name="may monitor")
    may_whisper = YesOrNo(attribute="may_whisper", column_name="may whisper")
    may_barge = YesOrNo(attribute="may_barge", column_name="may barge")
    may_see_numbers = YesOrNo(attribute="may_see_numbers", column_name="may see numbers")
    may_note = YesOrNo(attribute="may_note", column_name="may write notes")
    is_lead = YesOrNo(attribute="is_lead", column_name="lead")
    required = ("user name", "team")
    example = ("kim", "Kim", "Winter", "kim@example.com", "Billing", "yes", "yes", "no", "no", "yes", "no")

    class Meta(DirectoryResource.Meta):
        model = TeamMembership
        fields = (*PERSON, "team", *RIGHTS)
        import_id_fields = ("username",)

    def get_queryset(self) -> Any:
        return TeamMembership.objects.select_related("user", "team").order_by("user__username", "team__name")

    def read_stored(self, rows: list[dict[str, str]]) -> None:
        self.teams = teams_by_name()
        self.people = people_named(row["user name"] for row in rows)
        self.known = {name.casefold() for name in self.people}
        self.told: dict[str, dict[str, str]] = {}
        members = TeamMembership.objects.filter(user__in=[person.pk for person in self.people.values()])
        self.members = {
            (member.user.get_username(), member.team.name.casefold()): member
            for member in members.select_related("user", "team")
        }
        for member in self.members.values():
            member.user = self.people[member.user.get_username()]

    def stored(self, row: Mapping[str, str]) -> TeamMembership | None:
        return self.members.get((row["user name"], row["team"].casefold()))

    def fill(self, instance: Any, row: Mapping[str, str]) -> None:
        before = None if instance._state.adding else copy(instance)
        instance.rights_before = rights_of(before) if before else []
        instance.user = self._person(row)
        try:
            instance.team = TeamByName(self.teams).clean(row["team"])
        except ValidationError as error:
            raise ValidationError({"team": error}) from error
        for right in RIGHTS:
            heading = self.fields[right].column_name
            if heading in row:
                setattr(instance, right, is_yes(row, heading))
        check_grant(self.request.user, before=before, wanted=instance)  # type: ignore[arg-type]

    def _person(self, row: Mapping[str, str]) -> User:
        """Return whom a row is about, as it says they are called; each row about somebody has to say the same."""
        name = row["user name"]
        told = {heading: row[heading] for heading in PERSON.values() if heading in row}
        if name in self.told and self.told[name] != told:
            raise ValidationError({"user name": _("Another row calls “%(name)s” something else.") % {"name": name}})
        person = self.people.get(name) or User(username=name)
        check_no_administrator(person)
        if name not in self.told:
            if person._state.adding and name.casefold() in self.known:
                raise ValidationError({"user name": _("There is such a user name in other capitals. Write it so.")})
            values = {field: getattr(person, field) for field in PERSON}
            values |= {field: row[heading] for field, heading in PERSON.items() if heading in row}
            check_form(PersonForm(values, instance=person), PERSON)
            self.told[name], self.people[name] = told, person
        return person

    def only_once(self, instance: Any) -> Iterable[tuple[str, Any]]:
        yield "team", (instance.user.get_username(), instance.team.pk)

    def do_instance_save(self, instance: Any, _is_create: bool) -> None:  # noqa: FBT001 - the library's signature
        person = instance.user
        if person.pk is None:
            person.set_unusable_password()
            person.save()
        else:
            person.save(update_fields=["first_name", "last_name", "email"])
        instance.user = person  # its key is known now
        instance.save()
        whose = f"{instance.user} in {instance.team}"
        record(self.request, whose, before=instance.rights_before, after=rights_of(instance))

    def touched(self, instance: Any) -> User:
        return instance.user  # type: ignore[no-any-return]

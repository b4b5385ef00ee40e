"""Defines the columns of files of teams, agents and phones, and the rules for each row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Q, UniqueConstraint
from django.db.models.functions import Lower
from django.forms import ModelForm
from django.utils.translation import gettext as _
from import_export.fields import Field

from conferences.admin.agent_form import AgentForm
from conferences.models import Agent, Line, Team

from .rows import DirectoryResource, TeamByName, YesOrNo, check_form, is_yes, teams_by_name, under_headings

MARKS = ("reference", "sip_username", "number")
"""The fields by which a row finds its agent, the one that changes least first."""
TAKEN = {
    one.fields[0]: one.violation_error_message for one in Agent._meta.constraints if isinstance(one, UniqueConstraint)
}


class TeamRowForm(ModelForm):  # type: ignore[type-arg]  # Django's own class takes none
    class Meta:
        model = Team
        fields = ("name",)


class TeamResource(DirectoryResource):
    name = Field(attribute="name", column_name="name")
    required = ("name",)
    example = ("Billing",)

    class Meta(DirectoryResource.Meta):
        model = Team
        fields = ("name",)
        import_id_fields = ("name",)

    def get_queryset(self) -> Any:
        return Team.objects.order_by("name")

    def read_stored(self, rows: list[dict[str, str]]) -> None:
        self.teams = teams_by_name()

    def stored(self, row: Mapping[str, str]) -> Team | None:
        return self.teams.get(row["name"].casefold())

    def fill(self, instance: Any, row: Mapping[str, str]) -> None:
        check_form(TeamRowForm({"name": row["name"]}, instance=instance), {"name": "name"})

    def only_once(self, instance: Any) -> Iterable[tuple[str, Any]]:
        yield "name", instance.name.casefold()


class AgentRowForm(AgentForm):
    """An agent's form that asks the database for nothing that has been read once for all rows."""

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), "team", *MARKS}  # type: ignore[misc]  # not in its stubs


class AgentResource(DirectoryResource):
    name = Field(attribute="name", column_name="name")
    team = Field(attribute="team__name", column_name="team")
    sip_username = Field(attribute="sip_username", column_name="SIP credential")
    number = Field(attribute="number", column_name="number")
    reference = Field(attribute="reference", column_name="reference")
    required = ("name", "team")
    example = ("Ana Ruiz", "Billing", "gencredAbc123", "", "ana")

    class Meta(DirectoryResource.Meta):
        model = Agent
        fields = ("name", "team", "sip_username", "number", "reference")
        import_id_fields = ("name",)

    def get_queryset(self) -> Any:
        return Agent.objects.select_related("team").order_by("name", "pk")

    def read_stored(self, rows: list[dict[str, str]]) -> None:
        self.teams = teams_by_name()
        self.columns = {name: self.fields[name].column_name for name in self._meta.fields}
        agents = list(self.get_queryset())
        self.agents = {
            _mark(name, getattr(agent, name)): agent for agent in agents for name in MARKS if getattr(agent, name)
        }

    def stored(self, row: Mapping[str, str]) -> Agent | None:
        marks = [_mark(name, row.get(self.columns[name], "")) for name in MARKS]
        return next((self.agents[mark] for mark in marks if mark in self.agents), None)

    def fill(self, instance: Any, row: Mapping[str, str]) -> None:
        values = {name: getattr(instance, name) for name in self.columns if name != "team"}
        values["team"] = instance.team.name if instance.pk else ""
        values |= {name: row[heading] for name, heading in self.columns.items() if heading in row}
        form = AgentRowForm(values, instance=instance)
        form.acting = self.request.user  # type: ignore[assignment]
        form.fields["team"] = TeamByName(self.teams)
        del form.fields["user"]
        check_form(form, self.columns)
        try:
            instance.clean_fields(exclude={"team", "user"})
        except ValidationError as error:
            raise under_headings(error.error_dict, self.columns) from error
        for name in MARKS:
            if (other := self.agents.get(_mark(name, getattr(instance, name)))) and other.pk != instance.pk:
                raise ValidationError({self.columns[name]: TAKEN[name]})

    def only_once(self, instance: Any) -> Iterable[tuple[str, Any]]:
        for name in MARKS:
            if getattr(instance, name):
                yield self.columns[name], _mark(name, getattr(instance, name))


def _mark(name: str, value: str) -> tuple[str, str]:
    """Return a mark for comparing: SIP names are the same in any capitals."""
    return name, value.lower() if name == "sip_username" else value


class PhoneForm(ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Line
        fields = ("label", "kind", "address")


class PhoneResource(DirectoryResource):
    user = Field(attribute="user__username", column_name="user name")
    label = Field(attribute="label", column_name="label")
    address = Field(attribute="address", column_name="address")
    is_default = YesOrNo(attribute="is_default", column_name="rings first")
    required = ("user name", "label", "address")
    example = ("kim", "Desk phone", "sip:kim@sip.telnyx.com", "yes")

    class Meta(DirectoryResource.Meta):
        model = Line
        fields = ("user", "label", "address", "is_default")
        import_id_fields = ("user",)

    def get_queryset(self) -> Any:
        return Line.objects.select_related("user").order_by("user__username", "label", "pk")

    def read_stored(self, rows: list[dict[str, str]]) -> None:
        self.people = people_named(row["user name"] for row in rows)
        lines = Line.objects.filter(user__in=[person.pk for person in self.people.values()]).select_related("user")
        self.lines = {(line.user.get_username(), _address(line.address)): line for line in lines}

    def stored(self, row: Mapping[str, str]) -> Line | None:
        return self.lines.get((row["user name"], _address(row["address"])))

    def fill(self, instance: Any, row: Mapping[str, str]) -> None:
        instance.user = person_to_edit(self.people, row["user name"])
        kind = Line.Kind.SIP if row["address"].lower().startswith("sip") else Line.Kind.PHONE
        check_form(
            PhoneForm({"label": row["label"], "kind": kind, "address": row["address"]}, instance=instance),
            {"label": "label", "address": "address"},
        )
        if "rings first" in row:
            instance.is_default = is_yes(row, "rings first")

    def only_once(self, instance: Any) -> Iterable[tuple[str, Any]]:
        yield "address", _address(instance.address)
        if instance.is_default:
            yield "rings first", instance.user.pk

    def do_instance_save(self, instance: Any, _is_create: bool) -> None:  # noqa: FBT001 - the library's signature
        if instance.is_default:  # it takes the place of the one that did
            Line.objects.filter(user=instance.user, is_default=True).exclude(pk=instance.pk).update(is_default=False)
        instance.save()

    def touched(self, instance: Any) -> User:
        return instance.user  # type: ignore[no-any-return]


def _address(text: str) -> str:
    return text.casefold()


def people_named(names: Iterable[str]) -> dict[str, User]:
    """Return the people with these user names, by name; also those whose names differ in capitals alone."""
    wanted = {name.lower() for name in names}
    people = User.objects.annotate(small=Lower("username")).filter(Q(small__in=wanted))
    return {person.get_username(): person for person in people}


def person_to_edit(people: Mapping[str, User], name: str) -> User:
    """Return who has a user name. Raises ValidationError for nobody, and for administrators."""
    person = people.get(name)
    if person is None:
        text = _("There is no user “%(name)s”. Import the supervisors first.") % {"name": name}
        raise ValidationError({"user name": text})
    check_no_administrator(person)
    return person


def check_no_administrator(person: User) -> None:
    """Raise ValidationError for staff and superusers: no file changes them."""
    if person.is_staff or person.is_superuser:
        text = _("“%(name)s” is staff, whom no file changes. Do it on their page.") % {"name": person.get_username()}
        raise ValidationError({"user name": text})

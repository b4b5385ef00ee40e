"""Takes rows of a file into the database, each by the rules of the form that edits the same thing by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext as _
from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.results import Result, RowResult
from tablib import Dataset

from conferences.models import Team
from conferences.spreadsheets import Table

FORMULA_BEGINS = ("=", "@", "＝", "＠")


class DirectoryResource(ModelResource):  # type: ignore[misc]  # import_export has no types
    """Rows of one kind, as files hold them.

    django-import-export walks the rows, compares each with what is stored, and stores all of them or none. The rules
    are those of the forms. What is stored is read once, before the first row, so that a row costs few queries.
    """

    required: ClassVar[tuple[str, ...]]
    """The headings that a file must have."""
    example: ClassVar[tuple[str, ...]]
    """A row that shows how to write each column."""

    class Meta:
        import_id_fields: tuple[str, ...] = ()
        skip_unchanged = True
        report_skipped = True
        store_instance = True
        skip_html_diff = True
        clean_model_instances = False  # the forms have done it

    def __init__(self, *, request: HttpRequest) -> None:
        super().__init__()
        self.request = request
        self._taken: dict[tuple[str, Any], int] = {}
        self._numbers: list[int] = []

    @property
    def headings(self) -> list[str]:
        return [field.column_name for field in self.get_import_fields()]

    # --- Each kind has its own ----------------------------------------------------------------------------------------

    def read_stored(self, rows: list[dict[str, str]]) -> None:
        """Read what these rows may be about."""
        raise NotImplementedError

    def stored(self, row: Mapping[str, str]) -> Model | None:
        """Return what a row is about; None where it is new."""
        raise NotImplementedError

    def fill(self, instance: Any, row: Mapping[str, str]) -> None:
        """Give an instance what the row says. Raises ValidationError, by the headings."""
        raise NotImplementedError

    def only_once(self, instance: Any) -> Iterable[tuple[str, Any]]:
        """Yield what only one row of a file may have: a heading, and the value."""
        raise NotImplementedError

    def touched(self, instance: Any) -> Model:
        """Return on whose page an import stands in the history."""
        return instance  # type: ignore[no-any-return]

    # --- The walk -----------------------------------------------------------------------------------------------------

    def preview(self, table: Table) -> Result:
        """Return what would become of each row; nothing is written, no transaction is opened."""
        result = self.import_data_inner(
            self._dataset(table), dry_run=True, raise_errors=False, using_transactions=False, collect_failed_rows=False
        )
        return _without_faults(result)

    def store(self, table: Table) -> Result:
        """Store every row, or none if one of them is wrong."""
        result = self.import_data(self._dataset(table), use_transactions=True, rollback_on_validation_errors=True)
        return _without_faults(result)

    def _dataset(self, table: Table) -> Dataset:
        self._taken, self._numbers = {}, table.numbers
        return Dataset(*table.rows, headers=table.headings)

    def before_import(self, dataset: Dataset, **_kwargs: Any) -> None:
        self.read_stored(dataset.dict)

    def get_instance(self, _loader: Any, row: Mapping[str, str]) -> Model | None:
        return self.stored(row)

    def import_instance(self, instance: Any, row: Mapping[str, str], **kwargs: Any) -> None:
        number = self._numbers[kwargs["row_number"] - 1]
        for heading in self.headings:
            if row.get(heading, "").startswith(FORMULA_BEGINS):
                raise ValidationError({heading: _("This looks like a formula. Write the value itself.")})
        is_new = instance._state.adding
        if is_new or any(row[one] != self._written(instance, one) for one in self.headings if one in row):
            self.fill(instance, row)
        if not is_new:
            self._take("", instance.pk, number)
        for heading, value in self.only_once(instance):
            self._take(heading, value, number)

    def _take(self, heading: str, value: Any, number: int) -> None:
        other = self._taken.setdefault((heading, value), number)
        if other != number:
            same = _("Row %(row)d says the same.") if heading else _("Row %(row)d is about the same one.")
            raise ValidationError({heading or NON_FIELD_ERRORS: same % {"row": other}})

    def _written(self, instance: Any, heading: str) -> str:
        [field] = [one for one in self.get_import_fields() if one.column_name == heading]
        return str(field.export(instance) or "")

    def changes(self, result: RowResult) -> list[tuple[str, str, str]]:
        """Return what a row changes: heading, before and after."""
        told = [
            (heading, self._written(result.original, heading) if result.original else "", after)
            for heading in self.headings
            if (after := self._written(result.instance, heading)) or result.original
        ]
        return [(heading, before, after) for heading, before, after in told if before != after]


class YesOrNo(Field):  # type: ignore[misc]
    """A column that says yes or no."""

    def export(self, instance: Any, **_kwargs: Any) -> str:
        return "yes" if self.get_value(instance) else "no"


def is_yes(row: Mapping[str, str], heading: str) -> bool:
    """Return whether a cell of such a column says yes. Raises ValidationError."""
    word = row[heading].casefold()
    if word not in {"yes", "no", ""}:
        raise ValidationError({heading: _("Write yes or no.")})
    return word == "yes"


class TeamByName(forms.Field):
    """A team by its name; in whichever capitals."""

    def __init__(self, teams: Mapping[str, Team]) -> None:
        super().__init__()
        self.teams = teams

    def to_python(self, value: str | None) -> Team | None:
        if not value:
            return None
        if (team := self.teams.get(value.casefold())) is None:
            raise ValidationError(_("There is no team “%(name)s”. Import or add it first."), params={"name": value})
        return team


def teams_by_name() -> dict[str, Team]:
    """Return every team by its name in small letters."""
    return {team.name.casefold(): team for team in Team.objects.all()}


def check_form(form: Any, headings: Mapping[str, str]) -> None:
    """Raise ValidationError with a form's errors under the headings of the file, where there are any."""
    if not form.is_valid():
        raise under_headings(form.errors.as_data(), headings)


def under_headings(errors: Mapping[str, Any], headings: Mapping[str, str]) -> ValidationError:
    """Return errors of fields as errors of a row, under the headings of the file."""
    return ValidationError({headings.get(name, NON_FIELD_ERRORS): errors_of for name, errors_of in errors.items()})


def _without_faults(result: Result) -> Result:
    """Return a result of rows that are right or wrong; a row that failed in another way is a fault of ours."""
    faults = [*result.base_errors, *(error for row in result.error_rows for error in row.errors)]
    if faults:
        raise faults[0].error
    return result

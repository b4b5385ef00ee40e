"""Reads the file that somebody chose, and keeps its rows in the page between preview and import.

Nothing is kept on the server meanwhile: the page sends the rows back, signed.
"""

from __future__ import annotations

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from conferences.spreadsheets import Table, Unreadable, read_table

from .registry import FileKind

MOST_ROWS = 1000
MOST_BYTES = 512 * 1024
SECONDS_TO_CONFIRM = 60 * 60
SALT = "conferences.admin.directory"


def attachment(content: str | bytes, content_type: str, name: str) -> HttpResponse:
    """Return what a browser saves as a file."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=content_type, headers=headers)


def uploaded_table(request: HttpRequest, kind: FileKind) -> Table:
    """Return the table in the chosen file, its headings as they are written here. Raises Unreadable."""
    file = request.FILES.get("file")
    if file is None:
        raise Unreadable(_("Choose a file."))
    if (file.size or 0) > MOST_BYTES:
        raise Unreadable(_("The file has more than %(most)d KB. Divide it.") % {"most": MOST_BYTES // 1024})
    table = read_table(file.read(), most_rows=MOST_ROWS)
    resource = kind.resource(request=request)
    known = {heading.casefold(): heading for heading in resource.headings}
    headings = [known.get(heading.casefold(), heading) for heading in table.headings]
    if len(set(headings)) < len(headings):
        raise Unreadable(_("Two columns have the same heading."))
    if missing := [heading for heading in resource.required if heading not in headings]:
        told = {"missing": ", ".join(missing), "headings": ", ".join(resource.headings)}
        raise Unreadable(_("There is no column %(missing)s. The headings of the first row are: %(headings)s.") % told)
    named = [
        (row, number)
        for row, number in zip(table.rows, table.numbers, strict=True)
        if any(row[headings.index(heading)] for heading in resource.required)
    ]
    return Table(headings, [row for row, _number in named], [number for _row, number in named])


def signed_table(request: HttpRequest, kind: FileKind, table: Table) -> str:
    """Return a table as the page sends it back once it is confirmed; whoever changes it is refused."""
    whole = [kind.slug, request.user.pk, table.headings, table.rows, table.numbers]
    return signing.dumps(whole, salt=SALT, compress=True)


def unsigned_table(request: HttpRequest, kind: FileKind) -> Table:
    """Return the table of a preview that this person was shown. Raises Unreadable."""
    try:
        slug, user, *table = signing.loads(request.POST["rows"], salt=SALT, max_age=SECONDS_TO_CONFIRM)
    except signing.BadSignature as error:
        raise Unreadable(_("This preview is more than an hour old. Choose the file again.")) from error
    if (slug, user) != (kind.slug, request.user.pk):
        raise Unreadable(_("This preview is somebody else's. Choose the file again."))
    return Table(*table)

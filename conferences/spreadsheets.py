"""Writes tables as CSV and XLSX without formulas, and reads such files; a file that is none gets a sentence."""

from __future__ import annotations

import csv
import io
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from django.utils.translation import gettext as _
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from xlsxwriter import Workbook

FORMULA_SIGNS = "=+-@＝＋－＠"
BOM = "\ufeff"  # without it Excel takes UTF-8 for another encoding
MOST_COLUMNS = 50
MOST_UNPACKED_BYTES = 20 * 1024 * 1024
"""An XLSX file is a ZIP archive: a small one may hold gigabytes."""
XLSX_BEGINS, XLS_BEGINS = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
UTF_16_BEGINS = (b"\xff\xfe", b"\xfe\xff")
Cell = str | int


# --- Writing ----------------------------------------------------------------------------------------------------------


def safe_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe stands before what could be one."""
    begins = text.lstrip()[:1]
    is_odd = text[:1] != "" and unicodedata.category(text[0])[0] == "C"
    return f"'{text}" if is_odd or (begins != "" and begins in FORMULA_SIGNS) else text


def as_csv(rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows as CSV, without the BOM that a file begins with."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([safe_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue()


def as_xlsx(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return an XLSX file, the first row in bold; its rows wait on the disk, not in memory, until it is packed."""
    file = io.BytesIO()
    with Workbook(file, {"constant_memory": True}) as book:
        sheet, bold = book.add_worksheet(), book.add_format({"bold": True})
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, MOST_COLUMNS - 1, 22)
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                if isinstance(cell, int):
                    sheet.write_number(number, column, cell)
                else:
                    sheet.write_string(number, column, safe_cell(cell), bold if number == 0 else None)
    return file.getvalue()


# --- Reading ----------------------------------------------------------------------------------------------------------


class Unreadable(Exception):
    """A file that holds no table; `sentence` says why, in the reader's language."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, and below it rows of as many cells."""

    headings: list[str]
    rows: list[list[str]]
    numbers: list[int]
    """The number of each row as a spreadsheet shows it; empty rows are left out, and counted."""


def read_table(data: bytes, *, most_rows: int) -> Table:
    """Return the table in a CSV file (comma, semicolon or tab) or on the first sheet of an XLSX file.

    Raises Unreadable.
    """
    if data.startswith(XLS_BEGINS):
        raise Unreadable(_("This is an XLS file of an old Excel. Save it as XLSX, then choose it again."))
    lines = _xlsx_lines(data, most_rows) if data.startswith(XLSX_BEGINS) else _csv_lines(data)
    filled = [(number, cells) for number, cells in lines if any(cells)]
    if not filled:
        raise Unreadable(_("The file is empty. Its first row must be the headings."))
    (_number, headings), *rows = filled
    while headings and not headings[-1]:
        headings.pop()
    if len(rows) > most_rows:
        told = {"rows": len(rows), "most": most_rows}
        raise Unreadable(_("The file has %(rows)d rows. Divide it into files of at most %(most)d.") % told)
    for number, cells in rows:
        if any(cells[len(headings) :]):
            raise Unreadable(_("Row %(row)d has more cells than the headings.") % {"row": number})
    width = len(headings)
    return Table(
        headings,
        [[*cells, *[""] * width][:width] for _number, cells in rows],
        [number for number, _cells in rows],
    )


def _csv_lines(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each row of a CSV file."""
    try:
        text = data.decode("utf-16" if data.startswith(UTF_16_BEGINS) else "utf-8-sig")
    except UnicodeDecodeError as error:
        text = _("This is neither an XLSX file nor CSV in UTF-8. In Excel, save it as “CSV UTF-8”.")
        raise Unreadable(text) from error
    if "\0" in text:
        raise Unreadable(_("This is neither a CSV file nor an XLSX file."))
    first, _end, rest = text.partition("\n")
    before = 0
    if first.startswith("sep="):  # Excel writes it to itself
        text, before = rest, 1
        first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    try:
        for number, cells in enumerate(rows, before + 1):
            yield number, [_as_written(cell) for cell in cells]
    except csv.Error as error:
        text = _("Line %(line)d of the CSV file cannot be read: look at its quotation marks.")
        raise Unreadable(text % {"line": rows.line_num + before}) from error


def _xlsx_lines(data: bytes, most_rows: int) -> list[tuple[int, list[str]]]:
    """Return the number and the cells of each row of the first sheet; a formula stays one, and is no value."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_UNPACKED_BYTES:
                raise Unreadable(_("The XLSX file is too large once it is unpacked."))
        book = load_workbook(io.BytesIO(data), read_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # a file may name a wrong size
        rows = sheet.iter_rows(max_row=most_rows + 2, max_col=MOST_COLUMNS, values_only=True)
        return [(number, [_as_written(_in_words(cell)) for cell in row]) for number, row in enumerate(rows, 1)]
    except _BROKEN as error:
        raise Unreadable(_("This XLSX file cannot be read. Open it in a spreadsheet and save it again.")) from error


_BROKEN = (
    *(zipfile.BadZipFile, InvalidFileException, DefusedXmlException, ParseError),
    *(KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError, OSError, NotImplementedError),
)
"""The exceptions of openpyxl for a file that it cannot read."""


def _in_words(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _as_written(cell: str) -> str:
    """Return a cell without the apostrophe of `safe_cell`, and without blanks around it."""
    cell = cell.strip()
    return cell[1:].strip() if cell[:1] == "'" and safe_cell(cell[1:]) == cell else cell

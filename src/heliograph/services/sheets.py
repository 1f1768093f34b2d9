"""The lines of an export as a spreadsheet, XLSX, in constant memory (ISO/IEC 29500; XlsxWriter, https://xlsxwriter.readthedocs.io)."""

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from heliograph.core.export_lines import SEPARATOR

ROWS = 1_048_576  # of one sheet, the header included: the limit of the format as spreadsheets read it
CELL = 32_767  # characters of a cell
TOLD = 20_000  # rows between two notes
NUMBERS = frozenset({1, 5, 7, 10, 11})  # int_id, status, error, parts, cost: by their place in COLUMNS
DATES = frozenset({8, 9})
WIDTHS = (12, 12, 14, 14, 50, 8, 24, 8, 19, 19, 8, 11, 8, 16, 20, 24, 9, 10, 24)
_DAY_ZERO = date(1899, 12, 30).toordinal()  # day 0 of spreadsheets, as all days since March 1900 count it


def convert(lines: Path, target: Path, work: Path, note: Callable[[int], None], rows: int = ROWS) -> None:
    """Write a workbook of the lines of a CSV (Form.XLSX of Lines), sheets of at most ``rows`` rows each with the header.

    Its pieces lie in ``work`` meanwhile; ``note(rows)`` is called now and then. OSError when the disk is full.
    """
    import xlsxwriter
    from xlsxwriter.exceptions import FileCreateError

    book = xlsxwriter.Workbook(str(target), {"constant_memory": True, "tmpdir": str(work)})
    book.use_zip64()
    try:
        with lines.open(encoding="utf-8-sig", newline="") as source:
            _fill(book, csv.reader(source, delimiter=SEPARATOR), note, rows)
        try:
            book.close()
        except FileCreateError as error:
            raise error.args[0] if error.args and isinstance(error.args[0], OSError) else OSError(*error.args) from None
    finally:
        book.fileclosed = 1  # its destructor would try to close it again


def _fill(book: Any, reader: Any, note: Callable[[int], None], rows: int) -> None:
    bold, moment = book.add_format({"bold": True}), book.add_format({"num_format": "dd.mm.yyyy hh:mm:ss"})
    header = next(reader)
    days: dict[str, int] = {}
    sheet: Any = None
    at = rows
    for count, cells in enumerate(reader, 1):
        if at >= rows:
            sheet = _add_sheet(book, header, bold)
            at = 1
        for column, cell in enumerate(cells):
            if not cell:
                continue
            if column in NUMBERS:
                sheet.write_number(at, column, float(cell))
            elif column in DATES:
                sheet.write_number(at, column, _serial(cell, days), moment)
            else:
                sheet.write_string(at, column, cell[:CELL])
        at += 1
        if count % TOLD == 0:
            note(count)
    if sheet is None:
        _add_sheet(book, header, bold)


def _add_sheet(book: Any, header: list[str], bold: Any) -> Any:
    sheet = book.add_worksheet()
    for column, width in enumerate(WIDTHS):
        sheet.set_column(column, column, width)
    sheet.freeze_panes(1, 0)
    # Numbers of telephones are texts here, as they must be.
    sheet.ignore_errors({"number_stored_as_text": "A1:S1048576"})
    for column, name in enumerate(header):
        sheet.write_string(0, column, name, bold)
    return sheet


def _serial(text: str, days: dict[str, int]) -> float:
    """DD.MM.YYYY HH:MM:SS as days since the spreadsheets' day 0."""
    day = days.get(text[:10])
    if day is None:
        day = days[text[:10]] = date(int(text[6:10]), int(text[3:5]), int(text[:2])).toordinal() - _DAY_ZERO
    return day + (int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])) / 86_400

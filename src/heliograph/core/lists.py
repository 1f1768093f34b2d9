"""The ``list`` parameter: recipients with a text of their own for each record (spec sending 3.4)."""

import re

from heliograph.core.messages import Recipient
from heliograph.core.reasons import Reason, Refused
from heliograph.core.times import read_zone

MAX_RECIPIENTS = 50_000
"""In one request: bounds the work that a single body can cause (spec sending 3.1)."""

_END_OF_PHONES = re.compile(r"[:;]")
# What begins a record when texts hold real line breaks: a number of a phone's length, a group code or an address.
_LIKE_RECIPIENT = re.compile(r"\+?(?:[ ().-]*\d){7,15}[ ().-]*|G\d{1,10}|[^\s@]+@[^\s@]+", re.ASCII)


def parse_list(text: str, nl: bool, most: int = MAX_RECIPIENTS) -> tuple[Recipient, ...]:
    """The records of ``list``, one recipient per number, in order.

    Refused(BAD_PARAMETERS) for a line that is none, and for more than ``most`` recipients.

    A record is ``phones:text`` or ``phones;text``, before it possibly ``sender|`` or ``sender,tz|``. Without ``nl``
    every line is a record and a backslash with ``n`` is a line break of the text; with it a record begins only at a
    line that begins with recipients, and other lines continue the text before.
    """
    # Ten lines a text are plenty; counting first keeps megabytes of line breaks from becoming millions of lists.
    if text.count("\n") > 10 * most:
        raise Refused(Reason.BAD_PARAMETERS, "list has too many lines")
    lines = text.replace("\r\n", "\n").split("\n")
    recipients: list[Recipient] = []
    for number, record in enumerate(_join_lines(lines) if nl else lines, 1):
        if record.strip():
            recipients += _read_record(record if nl else record.replace("\\n", "\n"), number, most)
        if len(recipients) > most:
            raise Refused(Reason.BAD_PARAMETERS, f"more than {most} recipients")
    return tuple(recipients)


def _join_lines(lines: list[str]) -> list[str]:
    """Lines put together to records, for texts that hold real line breaks."""
    records: list[list[str]] = []
    for line in lines:
        if _begins_record(line):
            records.append([line])
        elif records:
            records[-1].append(line)
        elif line.strip():
            raise Refused(Reason.BAD_PARAMETERS, "list does not begin with recipients")
    return ["\n".join(record).rstrip("\n") for record in records]


def _begins_record(line: str) -> bool:
    end = _END_OF_PHONES.search(line)
    if end is None:
        return False
    _, bar, phones = line[: end.start()].rpartition("|")
    items = (phones if bar else line[: end.start()]).split(",")
    return all(_LIKE_RECIPIENT.fullmatch(item.strip()) for item in items)


def _read_record(record: str, number: int, most: int) -> list[Recipient]:
    end = _END_OF_PHONES.search(record)
    if end is None:
        raise Refused(Reason.BAD_PARAMETERS, f"record {number} of list has no text")
    head, text = record[: end.start()], record[end.end() :]
    prefix, bar, phones = head.rpartition("|")
    sender, zone_min = _read_prefix(prefix) if bar else (None, None)
    if phones.count(",") > 2 * most:
        raise Refused(Reason.BAD_PARAMETERS, f"more than {most} recipients")
    given = [item for part in phones.split(",") if (item := part.strip())]
    if not given:
        raise Refused(Reason.BAD_PARAMETERS, f"record {number} of list has no recipients")
    return [Recipient(item, text, sender, zone_min) for item in given]


def _read_prefix(prefix: str) -> tuple[str, int | None]:
    sender, comma, zone = prefix.rpartition(",")
    if not comma:
        return prefix.strip(), None
    return sender.strip(), read_zone(zone)

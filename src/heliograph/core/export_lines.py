"""Messages as the lines of an export: CSV that spreadsheets open by a double click (RFC 4180; docs/exports.md)."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

from heliograph.core.exports import Form, Wanted
from heliograph.core.messages import Flag, Kind
from heliograph.core.money import format_money
from heliograph.core.places import Place
from heliograph.core.status import NAMES
from heliograph.core.zones import format_date

Row = tuple[Any, ...]

COLUMNS = (
    ("ID", "ID"),
    ("int_id", "int_id"),
    ("Телефон", "Phone"),
    ("Отправитель", "Sender"),
    ("Текст", "Text"),
    ("Статус", "Status"),
    ("Название статуса", "Status name"),
    ("Ошибка", "Error"),
    ("Дата отправки", "Send date"),
    ("Последнее изменение", "Last change"),
    ("Частей", "Parts"),
    ("Стоимость", "Cost"),
    ("Валюта", "Currency"),
    ("Страна", "Country"),
    ("Оператор", "Operator"),
    ("Регион", "Region"),
    ("mccmnc", "mccmnc"),
    ("Тип", "Kind"),
    ("Комментарий", "Comment"),
)
"""The header in Russian and in English."""

KINDS = {
    Kind.SMS: "SMS", Kind.FLASH: "Flash", Kind.BINARY: "Binary", Kind.PUSH: "WAP-push", Kind.HLR: "HLR",
    Kind.PING: "Ping", Kind.MMS: "MMS", Kind.CALL: "Call", Kind.MAIL: "E-mail", Kind.VIBER: "Viber",
    Kind.SOCIAL: "Social", Kind.WHATSAPP: "WhatsApp", Kind.TELEGRAM: "Telegram", Kind.BOT: "Bot",
}  # fmt: skip

# A cell that begins so is taken for a formula, and could run one in the spreadsheet of whoever opens the file. The wide
# forms of the same signs count too for some of them.
RISKY = frozenset("=+-@\t\r\n＝＋－＠")
BOM = b"\xef\xbb\xbf"
SEPARATOR = ";"
_SECONDS = tuple(f"{second:02d}" for second in range(60))
_MINUTES_MOST = 50_000  # remembered dates; 35 days
_COSTS_MOST = 10_000


class _Minutes(dict[int, str]):
    """``DD.MM.YYYY HH:MM:`` by minutes since 1970: a zone's offset is a whole number of minutes."""

    def __init__(self, zone: str, iso: bool) -> None:
        super().__init__()
        self._zone = zone
        self._iso = iso

    def __missing__(self, minute: int) -> str:
        if len(self) > _MINUTES_MOST:
            self.clear()
        text = format_date(minute * 60_000, self._zone)[:-2] if minute > 0 else ""
        if self._iso and text:
            text = f"{text[6:10]}-{text[3:5]}-{text[:2]}{text[10:]}"
        self[minute] = text
        return text


class _Costs(dict[int, str]):
    """Money as written: a spreadsheet in Russian takes 1.6 for the first of June, so there it is 1,6."""

    def __init__(self, comma: bool) -> None:
        super().__init__()
        self._comma = comma

    def __missing__(self, cost: int) -> str:
        if len(self) > _COSTS_MOST:
            self.clear()
        text = format_money(cost)
        self[cost] = text = text.replace(".", ",") if self._comma else text
        return text


class Lines:
    """Writes rows of exports.page as CSV: UTF-8, ``;``, CRLF, a mark of UTF-8 in front.

    For a spreadsheet (Form.XLSX) the lines are only on their way into it, so nothing in them is made harmless, and dates
    and money have one form for all languages.
    """

    def __init__(self, wanted: Wanted, look_up: Callable[[str], Place | None]) -> None:
        plain = wanted.form is Form.XLSX
        self._wanted = wanted
        self._look_up = look_up
        self._risky = frozenset[str]() if plain else RISKY
        self._minutes = _Minutes(wanted.tz, iso=wanted.english and not plain)
        self._costs = _Costs(comma=not (wanted.english or plain))
        self._names = {int(status): names[wanted.english] for status, names in NAMES.items()}
        self._kinds = {int(kind): name for kind, name in KINDS.items()}
        self._phones = frozenset(wanted.phones)
        self._only_kinds = frozenset(wanted.kinds)
        self._only_statuses = frozenset(wanted.statuses)
        self._filtered = bool(wanted.phones or wanted.kinds or wanted.statuses)
        self._places: dict[int, tuple[Place, str, str, str]] = {}

    def header(self) -> bytes:
        """The first line, with the mark that tells spreadsheets the encoding."""
        return BOM + self._encode([tuple(names[self._wanted.english] for names in COLUMNS)])

    def write(self, rows: Sequence[Row]) -> tuple[bytes, int]:
        """The lines of those rows that are wanted, and how many they are."""
        start_ms, end_ms = self._wanted.start_ms, self._wanted.end_ms
        currency, risky = self._wanted.currency, self._risky
        minutes, costs, names, kinds = self._minutes, self._costs, self._names, self._kinds
        filtered, seconds, deleted, hlr = self._filtered, _SECONDS, int(Flag.DELETED), int(Kind.HLR)
        describe = self._describe
        lines = []
        for (
            int_id, sent_ms, created_ms, flags, kind, status, phone, id_, sender, text, err, changed_ms,
            parts, cost, mccmnc, comment,
        ) in rows:  # fmt: skip
            sent_s = (sent_ms or created_ms) // 1000
            if flags & deleted or not start_ms <= (sent_ms or created_ms) < end_ms:
                continue
            if filtered and not self._passes(kind, status, phone):
                continue
            # Some 40 ns a look; a text of the sender's own or of a customer's customer may begin with anything.
            if text[:1] in risky:
                text = "'" + text
            if sender[:1] in risky:
                sender = "'" + sender
            if comment[:1] in risky:
                comment = "'" + comment
            if id_[:1] in risky:
                id_ = "'" + id_
            sent_min = sent_s // 60
            changed_s = changed_ms // 1000
            changed_min = changed_s // 60
            country, operator, region = describe(phone)
            lines.append(
                (
                    id_, int_id, phone, "HLR" if kind == hlr else sender, text, status, names.get(status, ""), err,
                    minutes[sent_min] + seconds[sent_s - sent_min * 60],
                    minutes[changed_min] + seconds[changed_s - changed_min * 60],
                    parts, costs[cost], currency, country, operator, region, mccmnc, kinds.get(kind, kind), comment,
                )
            )  # fmt: skip
        return (self._encode(lines) if lines else b""), len(lines)

    def _passes(self, kind: int, status: int, phone: str) -> bool:
        return (
            (not self._phones or phone in self._phones)
            and (not self._only_kinds or kind in self._only_kinds)
            and (not self._only_statuses or status in self._only_statuses)
        )

    def _describe(self, phone: str) -> tuple[str, str, str]:
        """Country, operator and region; the table has few places for many numbers, so their texts are made once."""
        place = self._look_up(phone)
        if place is None:
            return "", "", ""
        known = self._places.get(id(place))
        if known is None or known[0] is not place:
            country, region = place.country_in(self._wanted.english), place.region_in(self._wanted.english)
            known = (place, self._harmless(country), self._harmless(place.operator), self._harmless(region))
            self._places[id(place)] = known  # which also keeps the place, and so its id
        return known[1:]

    def _harmless(self, text: str) -> str:
        return "'" + text if text[:1] in self._risky else text

    @staticmethod
    def _encode(lines: list[Row]) -> bytes:
        page = io.StringIO(newline="")
        csv.writer(page, delimiter=SEPARATOR, lineterminator="\r\n").writerows(lines)
        # Texts are checked at the door; a lone surrogate from an old store must not stop an export.
        return page.getvalue().encode("utf-8", "replace")

"""The live page as HTML: plain templates with $names, every value escaped (https://docs.python.org/3/library/string.html#template-strings)."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from html import escape
from pathlib import Path
from string import Template

import msgspec

from heliograph.core.accounts import Account
from heliograph.web.rows import Line

_ROOM = Path(__file__).parent
_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_NO_LINE = Line(**dict.fromkeys(Line.__struct_fields__, ""))


class File(msgspec.Struct, frozen=True):
    """A static file; `mark` changes with its content."""

    content_type: bytes
    body: bytes
    mark: str


class Form(msgspec.Struct, frozen=True):
    """What is typed into the form."""

    phone: str = ""
    text: str = ""
    sender: str = ""


class Notice(msgspec.Struct, frozen=True):
    """What became of the form that was sent."""

    good: bool
    words: str


class Page:
    """Reads its templates and files once; they are part of the program."""

    def __init__(self, hints: Sequence[tuple[str, str]], curl: str, password: str) -> None:
        self.files = _read_files(_ROOM / "static")
        self._page = _read_template("live.html")
        self._row = _read_template("row.html")
        self._fixed = {
            "blank": self._render_line(_NO_LINE),
            "hints": "".join(_render_hint(number, meaning) for number, meaning in hints),
            "hints_hidden": "" if hints else "hidden",
            "curl": escape(curl),
            "curl_hidden": "" if curl else "hidden",
            "password": escape(password),
            "css": f"/live/static/live.css?v={self.files['live.css'].mark}",
            "js": f"/live/static/live.js?v={self.files['live.js'].mark}",
            "icon": f"/live/static/icon.svg?v={self.files['icon.svg'].mark}",
        }

    def render(
        self,
        account: Account,
        lines: Sequence[Line],
        balance: str,
        senders: Sequence[str],
        form: Form,
        notice: Notice | None,
    ) -> bytes:
        """The whole page in UTF-8; `lines` oldest first, as the feed has them."""
        text = self._page.substitute(
            self._fixed,
            rows="".join(self._render_line(line) for line in reversed(lines)),
            balance=escape(balance),
            currency=escape(account.currency),
            login=escape(account.login),
            default_sender=escape(account.settings.sender or "none"),
            senders="".join(f'<option value="{escape(sender)}"></option>' for sender in senders),
            phone=escape(form.phone),
            text=escape(form.text),
            sender=escape(form.sender),
            notice=escape(notice.words) if notice else "",
            notice_tone=("good" if notice.good else "bad") if notice else "",
        )
        return text.encode()

    def _render_line(self, line: Line) -> str:
        fields: Mapping[str, str] = msgspec.structs.asdict(line)
        return self._row.substitute({name: escape(value) for name, value in fields.items()})


def _render_hint(number: str, meaning: str) -> str:
    """A line of the list of numbers; one that stands for several (with letters for digits) is no link."""
    shown = f"<code>{escape(number)}</code>"
    if number.isascii() and number.isdigit():
        shown = f'<a href="/?phone={number}" data-phone="{number}">{shown}</a>'
    return f"<li>{shown} <span>{escape(meaning)}</span></li>\n"


def _read_template(name: str) -> Template:
    return Template((_ROOM / "templates" / name).read_text("utf-8"))


def _read_files(folder: Path) -> dict[str, File]:
    files = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            files[path.name] = File(_TYPES[path.suffix], body, blake2b(body, digest_size=6).hexdigest())
    return files

"""Letters as texts: headers, the text of a letter whatever its form, the place between ``[text]`` marks (spec protocols 4;
RFC 5322, RFC 2045 to 2047, RFC 2046 section 5.1.4).

A hundred kilobytes may hold anything: every step here is linear in the size of the letter, or bounded.
"""

import codecs
import re
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import parseaddr
from hashlib import blake2b
from html.parser import HTMLParser
from typing import NamedTuple

from heliograph.core.inbound import clean
from heliograph.core.reasons import Reason, Refused

DEFAULT_CHARSET = "koi8-r"
MAX_PARTS = 100
MAX_BOUNDARIES = 50  # the parser looks for each in every line: 1,500 nested ones would take 0.7 s for 100 KB
MAX_HEADER = 2000  # characters of a header that are of use: a name, an address, a subject
LONGEST_TAG = 2000  # a "<" without ">" so near is a character; the parser would look for its end to the end of the text

_MARKED = re.compile(r"\[text\](.*?)(?:\[/text\]|\Z)", re.IGNORECASE | re.DOTALL)
_FALLBACK = frozenset({"us-ascii", "ascii", "unknown-8bit", "x-unknown", "8bit"})
# Codecs of Python that are no charset of letters, or take long.
_STRANGE = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "utf-7"})
_BREAKS = frozenset(
    {"br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "blockquote", "pre", "hr"}
)
_SILENT = frozenset({"script", "style", "head", "title", "template"})
_BLANKS = re.compile(r"[ \t\r\n\f\v\u00a0]+")
_LINES = re.compile(r" ?\n ?")


class Letter(NamedTuple):
    """What of a letter is of use: ``sender`` is the address in From, ``text`` is trimmed and has line feeds, ``charset`` is the
    one it was written in; ``html`` tells that it was read out of a page."""

    sender: str
    subject: str
    text: str
    charset: str
    key: str = ""
    html: bool = False


def read_letter(raw: bytes) -> Letter:
    """A letter as it came over the wire; raises Refused(BAD_PARAMETERS) for one that holds no text.

    ``key`` is a print of the whole when it has a Message-ID, so that the same letter brought again is known; empty otherwise.
    """
    if raw.lower().count(b"boundary") > MAX_BOUNDARIES:
        raise Refused(Reason.BAD_PARAMETERS, "the letter has too many parts in parts")
    try:
        message = message_from_bytes(raw)
        found = (*decode_text(raw, ""), False) if _is_bare(raw) else _find_text(message)
    except (RecursionError, ValueError, LookupError, AssertionError, TypeError, AttributeError, HeaderParseError):
        raise Refused(Reason.BAD_PARAMETERS, "the letter cannot be read") from None
    if found is None:
        raise Refused(Reason.BAD_PARAMETERS, "the letter holds no text")
    text, charset, html = found
    sender = parseaddr(_header(message, "From"))[1]
    key = blake2b(_body(raw), digest_size=16, person=b"letter").hexdigest() if message["Message-ID"] else ""
    if key:
        name = str(message["Message-ID"]).strip().encode("utf-8", "replace")
        key = blake2b(name + b"\0" + key.encode(), digest_size=16).hexdigest()
    return Letter(clean(sender), clean(_header(message, "Subject")), _tidy(clean(text)), charset, key, html)


def find_command(letter: Letter) -> str:
    """What stands between ``[text]`` and ``[/text]``, or the whole text where there are no marks."""
    found = _MARKED.search(letter.text)
    return (found[1] if found else letter.text).strip()


def split_address(address: str) -> tuple[str, str]:
    """The part before the last @ and the domain, both in small letters."""
    local, _, domain = address.strip().strip("<>").rpartition("@")
    return local.strip('"').lower(), domain.lower().rstrip(".")


def html_to_text(page: str) -> str:
    """The words of a page: tags are gone, blocks and <br> are line breaks, scripts and comments are left out."""
    reader = _PageReader()
    reader.feed(_defuse(page))
    reader.close()
    return _LINES.sub("\n", "".join(reader.words))


def decode_text(raw: bytes, charset: str) -> tuple[str, str]:
    """A text and the charset that was used: the one named when Python knows it, else koi8-r (spec protocols 4.1)."""
    name = charset.strip().strip("\"'").lower()
    if not name or name in _FALLBACK:
        name = DEFAULT_CHARSET
    try:
        info = codecs.lookup(name)
        if info.name in _STRANGE or not getattr(info, "_is_text_encoding", True):
            raise LookupError
    except (LookupError, ValueError):
        info = codecs.lookup(DEFAULT_CHARSET)
    return raw.decode(info.name, "replace"), info.name


# -- the parts of a letter -------------------------------------------------------
def _find_text(message: Message) -> tuple[str, str, bool] | None:
    """The first plain text that says anything, else the first page; attachments do not count."""
    page: tuple[str, str] | None = None
    for number, part in enumerate(message.walk()):
        if number >= MAX_PARTS:
            break
        kind = part.get_content_type()
        if (
            part.is_multipart()
            or kind not in ("text/plain", "text/html")
            or part.get_content_disposition() == "attachment"
        ):
            continue
        raw = part.get_payload(decode=True)
        if not isinstance(raw, bytes) or not raw.strip():
            continue
        text, charset = decode_text(raw, str(part.get_param("charset") or part.get_content_charset() or ""))
        if kind == "text/plain":
            return text, charset, False
        if page is None:
            page = text, charset
    return None if page is None else (html_to_text(page[0]), page[1], True)


def _is_bare(raw: bytes) -> bool:
    """Whether a letter is an order without any header; its first line reads like one."""
    return b"\r\n\r\n" not in raw and raw.partition(b"\n")[0].count(b":") >= 5


def _header(message: Message, name: str) -> str:
    """A header as text, encoded words decoded (RFC 2047), on one line."""
    value = message.get(name)
    if value is None:
        return ""
    words = []
    # Eight-bit headers come as a Header object, whose text has lost its octets; its parts have not.
    for word, charset in decode_header(str(value)[:MAX_HEADER]):
        words.append(word if isinstance(word, str) else decode_text(word, charset or "utf-8")[0])
    return " ".join("".join(words).split())


def _body(raw: bytes) -> bytes:
    """What follows the headers: relays add some of their own each time."""
    head, sign, body = raw.partition(b"\r\n\r\n")
    return body if sign else head


def _tidy(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\ufeff \t\n")


# -- pages ----------------------------------------------------------------------
def _defuse(page: str) -> str:
    """A page whose comments are gone and whose tags all end near: html.parser would read the rest of the page again for
    each "<" that does not end."""
    kept: list[str] = []
    at = 0
    while (begin := page.find("<!--", at)) >= 0:
        kept.append(page[at:begin])
        end = page.find("-->", begin + 4)
        at = len(page) if end < 0 else end + 3
    kept.append(page[at:])
    page = "".join(kept)
    pieces = page.split("<")
    # What stands before a "<" is a text, what stands between two is a tag with the text behind it. Quotes in attributes
    # may hold ">" and "<"; those are rare in letters, and cost a few characters of an attribute in the text.
    for index, piece in enumerate(pieces[1:], 1):
        is_tag = piece[:1].isalpha() or piece[:1] in ("/", "!", "?")
        end = piece.find(">", 0, LONGEST_TAG) if is_tag else -1
        if end < 0:
            pieces[index] = "&lt;" + piece
        else:
            pieces[index] = "<" + piece[:end].replace('"', "").replace("'", "") + piece[end:]
    return "".join(pieces)


class _PageReader(HTMLParser):
    """Collects the words of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._silent = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A block begins a line."""
        if tag == "body":
            self._silent = ""
        elif tag in _SILENT and not self._silent:
            self._silent = tag
        elif tag in _BREAKS:
            self._break()

    def handle_endtag(self, tag: str) -> None:
        """And ends one."""
        if tag == self._silent:
            self._silent = ""
        elif tag in _BREAKS:
            self._break()

    def handle_data(self, data: str) -> None:
        """Words: runs of blanks are one."""
        if not self._silent:
            self.words.append(_BLANKS.sub(" ", data))

    def _break(self) -> None:
        if not self._silent and self.words and self.words[-1] != "\n":
            self.words.append("\n")

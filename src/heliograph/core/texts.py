"""From what the customer wrote to what is sent: comment, translit, cut, parts (order of spec sending 4.2; 6.2, 10.6)."""

import re
from typing import NamedTuple

from heliograph.core.messages import Kind
from heliograph.core.reasons import Reason, Refused
from heliograph.wire.gsm import segments, wap
from heliograph.wire.gsm.translit import transliterate

COMMENT = "\n~~~\n"
MAX_TEXT = 1000  # characters of `mes` (spec sending 4.1), before translit and cutting
_BYTES = re.compile(r"pid: (\d{1,3}), dcs: (\d{1,3})\Z")


class Text(NamedTuple):
    """A text ready to be priced and sent. ``text`` of a binary message is its payload in hex."""

    text: str
    comment: str
    parts: int
    pid: int | None = None
    dcs: int | None = None


NOTHING = Text(text="", comment="", parts=1)


def prepare(text: str, kind: Kind, translit: int = 0, maxsms: int = 0) -> Text:
    """What will be sent; raises Refused(BAD_PARAMETERS) for what cannot be, and never alters a text that fits."""
    if kind is Kind.HLR or kind is Kind.PING:
        return Text(text="", comment=split_comment(text)[1], parts=1)
    if kind is Kind.BINARY:
        return prepare_binary(text)
    text, comment = split_comment(text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_TEXT:
        raise Refused(Reason.BAD_PARAMETERS, f"text is longer than {MAX_TEXT} characters")
    if not text:
        raise Refused(Reason.BAD_PARAMETERS, "text is empty")
    if translit:
        text = transliterate(text, translit)
    if kind is Kind.PUSH:
        url, _, title = text.partition("\n")
        return Text(text=text, comment=comment, parts=len(wap.push_parts(url.strip(), title.strip(), 0)))
    if maxsms:
        text = segments.cut(text, maxsms)
    return Text(text=text, comment=comment, parts=segments.count(text))


def split_comment(text: str) -> tuple[str, str]:
    """The text and the customer's own comment behind the ``~~~`` line (spec 10.6)."""
    if "~~~" not in text:
        return text, ""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    text, _, comment = text.partition(COMMENT)
    return text, comment


def prepare_binary(text: str) -> Text:
    """A binary message from hex and its optional "pid: x, dcs: y" line (spec 6.2)."""
    payload, tail = split_comment(text)
    try:
        data = bytes.fromhex(payload)
    except ValueError:
        raise Refused(Reason.BAD_PARAMETERS, "binary text is not hex") from None
    if not data:
        raise Refused(Reason.BAD_PARAMETERS, "binary text is empty")
    found = _BYTES.search(tail)
    pid = dcs = None
    comment = tail
    if found:
        pid, dcs = int(found[1]), int(found[2])
        comment = tail[: found.start()].removesuffix(COMMENT).rstrip("\n")
        if pid > 255 or dcs > 255:
            raise Refused(Reason.BAD_PARAMETERS, "pid and dcs are bytes, 0 to 255")
    try:
        parts = len(segments.split_binary(data))
    except ValueError as error:
        raise Refused(Reason.BAD_PARAMETERS, f"binary text cannot be split: {error}") from None
    return Text(text=data.hex(), comment=comment, parts=parts, pid=pid, dcs=dcs)

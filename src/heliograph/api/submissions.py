"""From the parameters of send (and whatever else takes them) to a ``Submission`` (spec sending 2 to 6 and 10.7)."""

import re
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

from msgspec.structs import replace

from heliograph.api.inputs import Flag, Integer, Parameter
from heliograph.api.params import Params
from heliograph.core.accounts import Account
from heliograph.core.lists import MAX_RECIPIENTS, parse_list
from heliograph.core.messages import CODE_WORD, TEXTLESS, Door, Kind, Recipient, Submission
from heliograph.core.numbers import parse_recipients
from heliograph.core.prefixes import strip_prefix
from heliograph.core.reasons import Reason, Refused
from heliograph.core.texts import COMMENT, MAX_TEXT, split_comment
from heliograph.core.times import NOW, When, parse_when, read_zone
from heliograph.core.zones import offset_min

PHONES = Parameter(
    "phones", "Recipients, parted by commas, semicolons or line breaks; G321 stands for a group of contacts"
)
MES = Parameter(
    "mes",
    "Text; a line ~~~ begins a comment that is not sent; a leading __FLASH__, __HLR__ or __PING__ chooses the kind",
    f"up to {MAX_TEXT} characters; bytes for bin=1, hex for bin=2; link, line break, title for push=1",
)
LIST = Parameter(
    "list",
    "Instead of phones and mes: a text of its own for each record",
    "lines phones:text or phones;text, with sender| or sender,tz| before it if wanted",
)
NL = Flag("nl", "Texts in list hold real line breaks; a record begins at a line that begins with recipients")
ID = Parameter(
    "id", "Your own message id", "1 to 2147483647, or up to 40 of Latin letters, digits, . - _", "made by the service"
)
SENDER = Parameter("sender", "Sender name; empty or . is none", default="that of the account")
TRANSLIT = Integer("translit", "1 transliterates, 2 uses Latin letters that look alike", high=2)
TINYURL = Flag("tinyurl", "Replaces links in the text by short ones whose clicks are counted")
TIME = Parameter(
    "time",
    "When to send",
    "DDMMYYhhmm, DD.MM.YY hh:mm, h1-h2, 0 and UNIX seconds, + and minutes; 0 or empty is now",
    "0",
)
TZ = Parameter("tz", "Zone in which time is read, in hours from Moscow", "-15 to 12", "the account's zone")
PERIOD = Parameter("period", "Hours over which a mailing is stretched", "0.1 to 720")
FREQ = Integer(
    "freq",
    "Minutes between the portions of a stretched mailing; needs period",
    low=1,
    high=1440,
    missing=60,
    zero_is_absent=True,
    default="60",
)
FLASH = Flag("flash", "Shown at once and not kept by the phone")
BIN = Integer("bin", "Binary: 1 bytes, 2 hex, the user data header first", high=2)
PUSH = Flag("push", "WAP push")
HLR = Flag("hlr", "Asks the network about each number; nothing is sent to it")
PING = Flag("ping", "An invisible text that tells whether the phone is on")
VALID = Parameter("valid", "Life time of a text at the operator", "hours 1 to 24, or hh:mm from 00:01 to 24:00", "24")
MAXSMS = Integer("maxsms", "Cuts texts to this many parts", low=1, zero_is_absent=True)
CALL = Flag("call", "A call that tells a code: with mes=code the service makes up six digits and answers them")
USERIP = Parameter(
    "userip", "Address of your own user, for the daily limit of one address and for imgcode", "IPv4 or IPv6 address"
)
IMGCODE = Parameter(
    "imgcode", "What your user read in the picture of imgcode.php; needs userip", "digits; used up by it"
)
TEST = Flag("test", "Nothing is sent nor charged (an addition of this server)")
LANE = Integer("lane", "Slower lane: 2 singles, 3 bulk (an addition of this server)", low=1, high=3, missing=1, zero_is_absent=True, default="1")  # fmt: skip

PARAMETERS = (
    PHONES, MES, LIST, NL, ID, SENDER, TRANSLIT, TINYURL, TIME, TZ, PERIOD, FREQ, FLASH, BIN, PUSH, HLR, PING, CALL, VALID,
    MAXSMS, USERIP, IMGCODE, TEST, LANE,
)  # fmt: skip

LATER = ("mms", "mail", "viber", "soc", "tg", "whatsapp", "bot", "fileurl")
"""Parameters of the reference that come with a later version: 0 and empty are fine, anything else is refused."""

_KINDS = ((FLASH, Kind.FLASH), (PUSH, Kind.PUSH), (HLR, Kind.HLR), (PING, Kind.PING), (CALL, Kind.CALL))
_KIND_NAMES = frozenset({BIN.name, *(flag.name for flag, _ in _KINDS)})
_LATER = frozenset(LATER)
_OFF = frozenset({"", "0", "false"})
_ID = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)
_DECIMAL = re.compile(r"\d{1,3}(?:[.,]\d{1,4})?|[.,]\d{1,4}", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)", re.ASCII)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)


def read_submission(params: Params, account: Account, now_ms: int, client: str, door: Door = Door.HTTP) -> Submission:
    """Everything the customer said, decoded and checked for form; raises Refused (errors 1 and 5 of send)."""
    if not _LATER.isdisjoint(params):
        for name in LATER:
            if params.get(name, "") not in _OFF:
                raise Refused(Reason.LATER_FEATURE, name)
    recipients, kind = _read_texts(params, _read_kind(params))
    when = _read_time(params, account, now_ms)
    if 0 < when.send_ms <= now_ms and all(recipient.zone_min is None for recipient in recipients):
        when = replace(when, send_ms=0)
    period_s = _read_period(params)
    sender: str | None = params.get("sender")
    return Submission(
        recipients=recipients,
        kind=kind,
        id=read_id(params.get("id", "")),
        sender=sender if sender is None else clean_sender(sender),
        translit=TRANSLIT.read(params),
        shorten="tinyurl" in params and TINYURL.read(params),
        send_ms=when.send_ms,
        zone_min=when.zone_min,
        period_s=period_s,
        freq_s=FREQ.read(params) * 60 if period_s else 0,
        valid_s=_read_valid(params.get("valid", "")),
        maxsms=MAXSMS.read(params),
        lane=LANE.read(params),
        test=TEST.read(params),
        user_ip=_read_user_ip(params.get("userip", "")),
        client=client,
        door=door,
    )


def read_id(text: str) -> str | None:
    """The caller's id, a number without leading zeros; None (the service makes one) for 0 and nothing; Refused otherwise."""
    text = text.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 40:
        return str(int(text)) if int(text) else None
    if not _ID.fullmatch(text):
        raise Refused(Reason.BAD_PARAMETERS, "id is a number or up to 40 Latin letters and digits")
    return text


def clean_sender(text: str) -> str:
    """A sender name; "." says the same as an empty one: no name."""
    text = text.strip()
    return "" if text == "." else text


def _read_kind(params: Params) -> Kind | None:
    """The kind that parameters choose, None when they choose none; two kinds at once are error 1."""
    if _KIND_NAMES.isdisjoint(params):
        return None
    chosen = [kind for flag, kind in _KINDS if flag.read(params)]
    if BIN.read(params):
        chosen.append(Kind.BINARY)
    if len(chosen) > 1:
        raise Refused(Reason.BAD_PARAMETERS, "only one kind of message at a time")
    return chosen[0] if chosen else None


def _read_texts(params: Params, kind: Kind | None) -> tuple[tuple[Recipient, ...], Kind]:
    if params.get("list"):
        recipients = parse_list(params["list"], NL.read(params))
        texts: Iterable[str] = dict.fromkeys(recipient.text for recipient in recipients)
    else:
        mes = params.get("mes", "")
        recipients = tuple(Recipient(phone, mes) for phone in _read_phones(params.get("phones", "")))
        texts = (mes,)
    if not recipients:
        raise Refused(Reason.BAD_PARAMETERS, "phones is missing")
    cleaned, kind = _clean_texts(texts, kind, params)
    if any(text is not written for written, text in cleaned.items()):
        recipients = tuple(replace(recipient, text=cleaned[recipient.text]) for recipient in recipients)
    return recipients, kind


def _read_phones(text: str) -> list[str]:
    # 32 characters hold any number with plus, blanks, brackets and a separator; more text is not worth splitting.
    if len(text) <= 32 * MAX_RECIPIENTS:
        phones = parse_recipients(text)
        if len(phones) <= MAX_RECIPIENTS:
            return phones
    raise Refused(Reason.BAD_PARAMETERS, f"more than {MAX_RECIPIENTS} recipients")


def _clean_texts(texts: Iterable[str], kind: Kind | None, params: Params) -> tuple[dict[str, str], Kind]:
    """Each text as it was given and as it is to be taken: without its prefix, binary as hex."""
    found: set[Kind] = set()
    cleaned: dict[str, str] = {}
    for written in texts:
        cleaned[written], by_prefix = strip_prefix(written, kind)
        if by_prefix is not None:
            found.add(by_prefix)
    if kind is None:
        if len(found) > 1:
            raise Refused(Reason.BAD_PARAMETERS, "only one kind of message at a time")
        kind = found.pop() if found else Kind.SMS
    if kind in TEXTLESS:
        return cleaned, kind
    if kind is Kind.BINARY:
        return {written: _read_binary(text, params) for written, text in cleaned.items()}, kind
    for text in cleaned.values():
        _check_text(text)
    if kind is Kind.CALL:
        return {written: _read_call(text) for written, text in cleaned.items()}, kind
    return cleaned, kind


def _check_text(text: str) -> None:
    if len(text) > MAX_TEXT or "~~~" in text:
        text = split_comment(text)[0]
    if len(text) > MAX_TEXT:
        raise Refused(Reason.BAD_PARAMETERS, f"mes is longer than {MAX_TEXT} characters")
    if not text:
        raise Refused(Reason.BAD_PARAMETERS, "mes is missing")


def _read_call(text: str) -> str:
    """The text of a call: the word that asks for a code, in small letters, and the comment behind it."""
    word, comment = split_comment(text)
    if word.strip().lower() != CODE_WORD:
        raise Refused(Reason.BAD_PARAMETERS, f"voice messages come later: only mes={CODE_WORD}")
    return CODE_WORD + COMMENT + comment if comment else CODE_WORD


def _read_binary(text: str, params: Params) -> str:
    """The payload in hex with its "~~~" tail behind it; up to 1000 bytes."""
    if params["bin"].strip() == "1":
        text = _read_bytes(text, params)
    payload, tail = text.replace("\r\n", "\n").partition(COMMENT)[::2]
    payload = "".join(payload.split())
    if not _HEX.fullmatch(payload):
        raise Refused(Reason.BAD_PARAMETERS, "binary text is not hex" if payload else "mes is missing")
    if len(payload) > 2 * MAX_TEXT:
        raise Refused(Reason.BAD_PARAMETERS, f"mes is longer than {MAX_TEXT} bytes")
    return payload + COMMENT + tail if tail else payload


def _read_bytes(text: str, params: Params) -> str:
    """bin=1 as bin=2 would have it. Where the bytes came as text (``list``, JSON) its charset makes them bytes again."""
    raw = (
        params.binary
        if params.binary is not None and not params.get("list")
        else text.encode(params.charset, "replace")
    )
    payload, _, tail = raw.partition(COMMENT.encode())
    written = payload.hex()
    return written + COMMENT + tail.decode(params.charset, "replace") if tail else written


def _read_time(params: Params, account: Account, now_ms: int) -> When:
    text = params.get("time", "")
    if text in ("", "0"):
        if params.get("tz"):
            read_zone(params["tz"])
        return NOW
    zone_min = read_zone(params.get("tz", ""))
    if zone_min is not None:
        return parse_when(text, now_ms, zone_min)
    zone_min = offset_min(account.settings.tz, now_ms)
    when = parse_when(text, now_ms, zone_min)
    if when.zone_min is None:
        return when
    # The zone may keep another offset on that day than it does now.
    then_min = offset_min(account.settings.tz, when.send_ms)
    return when if then_min == zone_min else parse_when(text, now_ms, then_min)


def _read_period(params: Params) -> int:
    text = params.get("period", "").strip()
    if text in ("", "0"):
        return 0
    hours = float(text.replace(",", ".")) if _DECIMAL.fullmatch(text) else -1.0
    if hours == 0:
        return 0
    if not 0.1 <= hours <= 720:
        raise Refused(Reason.BAD_PARAMETERS, "period is 0.1 to 720 hours")
    return round(hours * 3600)


def _read_valid(text: str) -> int:
    """Seconds from hours or hh:mm; 0 (the default) for nothing and 0."""
    text = text.strip()
    if text in ("", "0"):
        return 0
    clock = _CLOCK.fullmatch(text)
    if clock:
        minutes = int(clock[1]) * 60 + int(clock[2]) if int(clock[2]) < 60 else 0
    else:
        minutes = int(text) * 60 if text.isascii() and text.isdigit() and len(text) <= 2 else 0
    if not 1 <= minutes <= 24 * 60:
        raise Refused(Reason.BAD_PARAMETERS, "valid is 1 to 24 hours or hh:mm")
    return minutes * 60


def _read_user_ip(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        raise Refused(Reason.BAD_PARAMETERS, "userip is an IPv4 or IPv6 address") from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)

"""One message as submit_sm PDUs (SMPP 3.4, 4.4.1; parts by 3GPP TS 23.040, 9.2.3.24.1)."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from heliograph.core.carriers import Settings
from heliograph.core.messages import Kind
from heliograph.core.status import Err
from heliograph.delivery.carriers.contract import Unit
from heliograph.wire.gsm import alphabet as gsm
from heliograph.wire.gsm import segments, udh, wap
from heliograph.wire.gsm.alphabet import Alphabet
from heliograph.wire.smpp import statuses, tables, times
from heliograph.wire.smpp.pdus import Pdu

_MAX_PARTS = 255
_HLR_SERVICE = "HLR"
_CALL_SERVICE = "CALL"
# source_addr holds 20 characters and a NUL (4.4.1).
_MAX_ADDRESS = 20
_SHORT_CODE = 6
_CR = b"\r"
# Plain numbers: looking up a member of an enumeration costs as much as comparing it.
_FLASH = int(Kind.FLASH)
_TEXTS = frozenset((int(Kind.SMS), _FLASH))


class UnfitError(Exception):
    """A message this carrier cannot be given: the command_status it would answer, and the err to show."""

    def __init__(self, code: int, err: int) -> None:
        super().__init__(statuses.name(code))
        self.code = code
        self.err = err


class Form(NamedTuple):
    """How a text travels: whether it can, its octets behind a header of so many octets, whose limits hold, data_coding.

    ``flash`` is the data_coding with message class 0, None where there is none.
    """

    takes: Callable[[str], bool]
    octets: Callable[[str, int], bytes]
    alphabet: Alphabet
    coding: int
    flash: int | None


class Source(NamedTuple):
    """A sender as source address."""

    ton: int
    npi: int
    address: str


def read_forms(settings: Settings) -> tuple[Form, ...]:
    """The setting ``alphabets``, best first. Raises ValueError for an unknown name or none at all."""
    known = _forms(settings.default_latin1)
    names = [name.strip().lower() for name in settings.alphabets.split(",") if name.strip()]
    strange = [name for name in names if name not in known]
    if strange or not names:
        raise ValueError(f"alphabets: {settings.alphabets!r} is not made of {', '.join(known)}")
    return tuple(known[name] for name in names)


def address_sender(sender: str, ton: int, npi: int) -> Source:
    """The source address of a sender; ``ton`` and ``npi`` of -1 are chosen by its form. Raises `UnfitError`.

    A short code means something inside its network only (3), a longer number is written internationally (1, ISDN),
    anything else is a name (5), which belongs to no numbering plan (5.2.5, 5.2.6).
    """
    digits = sender.removeprefix("+")
    if not sender:
        form = Source(tables.TON_UNKNOWN, tables.NPI_UNKNOWN, "")
    elif not (digits.isascii() and digits.isdigit()):
        form = Source(tables.TON_ALPHANUMERIC, tables.NPI_UNKNOWN, sender)
    elif len(digits) <= _SHORT_CODE:
        form = Source(tables.TON_NETWORK, tables.NPI_UNKNOWN, digits)
    else:
        form = Source(tables.TON_INTERNATIONAL, tables.NPI_ISDN, digits)
    if len(form.address) > _MAX_ADDRESS or "\0" in sender or (sender and max(sender) > "\xff"):
        raise UnfitError(statuses.ESME_RINVSRCADR, Err.SENDER)
    return Source(form.ton if ton < 0 else ton, form.npi if npi < 0 else npi, form.address)


class Composer:
    """Makes the PDUs of messages for one carrier. Raises ValueError for settings that cannot be read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._forms = read_forms(settings)
        self._source = lru_cache(4096)(lambda name: address_sender(name, settings.source_ton, settings.source_npi))
        self._registered = tables.REGISTERED_FINAL if settings.receipts else tables.REGISTERED_NONE

    def compose(self, unit: Unit, now_ms: int) -> list[Pdu]:
        """All parts of a message, in order, whether missing or not. Raises `UnfitError`."""
        kind = unit.kind
        if kind in _TEXTS:
            return self._compose_text(unit, now_ms)
        if kind == Kind.BINARY:
            return [self._compose_binary(unit, now_ms)]
        if kind == Kind.PUSH:
            return self._compose_push(unit, now_ms)
        pdu = self._start(unit, now_ms)
        # The answer to these is nothing but their receipt.
        pdu.registered_delivery = tables.REGISTERED_FINAL
        if kind == Kind.HLR:
            pdu.service_type = _HLR_SERVICE
        elif kind == Kind.PING:
            pdu.protocol_id = tables.PROTOCOL_TYPE_ZERO
        elif kind == Kind.CALL and self._settings.calls:
            # The digits to be told, which are the same in every alphabet.
            pdu.service_type = _CALL_SERVICE
            pdu.short_message = unit.text.encode("ascii", "replace")
        else:
            raise UnfitError(statuses.ESME_RINVSERTYP, Err.NO_SUPPORT)
        return [pdu]

    def _start(self, unit: Unit, now_ms: int) -> Pdu:
        """What all parts of a message share."""
        settings = self._settings
        source = self._source(unit.sender)
        schedule = validity = ""
        if settings.validity and unit.expires_ms:
            validity = _relative(max(1, (unit.expires_ms - now_ms) // 1000))
        if settings.schedule and unit.send_ms - now_ms >= 1000:
            schedule = _relative((unit.send_ms - now_ms) // 1000)
        return Pdu(
            tables.SUBMIT_SM,
            0,
            0,
            settings.service_type,
            source.ton,
            source.npi,
            source.address,
            settings.dest_ton,
            settings.dest_npi,
            unit.phone.removeprefix("+"),
            0,
            unit.pid or 0,
            0,
            schedule,
            validity,
            self._registered,
        )

    def _compose_text(self, unit: Unit, now_ms: int) -> list[Pdu]:
        text = unit.text
        form, coding = self._choose(text, unit.kind == _FLASH)
        pdu = self._start(unit, now_ms)
        pdu.data_coding = coding
        single = segments.LIMITS[form.alphabet].single
        if len(text) * 2 <= single or segments.length(text, form.alphabet) <= single:
            pdu.short_message = form.octets(text, 0)
            return [pdu]
        return self._split(pdu, text, form, unit.int_id)

    def _choose(self, text: str, flash: bool) -> tuple[Form, int]:
        for form in self._forms:
            coding = form.flash if flash else form.coding
            if coding is not None and form.takes(text):
                return form, coding
        raise UnfitError(statuses.ESME_RINVDCS, Err.REFUSED)

    def _split(self, pdu: Pdu, text: str, form: Form, int_id: int) -> list[Pdu]:
        """The parts of a long text. Their reference comes from the message's id, so a part sent again fits the rest."""
        way = self._settings.long_text
        if way == "payload":
            pdu.tlvs = {tables.TAG_MESSAGE_PAYLOAD: form.octets(text, 0)}
            return [pdu]
        wide = way == "udh16"
        limit = segments.LIMITS[form.alphabet]
        texts = segments.split(text, form.alphabet, chunk=limit.wide_chunk if wide else limit.chunk)
        total = len(texts)
        if total > _MAX_PARTS:
            raise UnfitError(statuses.ESME_RINVMSGLEN, Err.REFUSED)
        # With sar the carrier writes the header; 8 bits leave it the choice of the short one, for which the split is.
        reference = int_id & (0xFFFF if wide else 0xFF)
        parts = []
        for number, piece in enumerate(texts, 1):
            part = _copy(pdu)
            if way == "sar":
                part.tlvs = {
                    tables.TAG_SAR_MSG_REF_NUM: reference.to_bytes(2, "big"),
                    tables.TAG_SAR_TOTAL_SEGMENTS: bytes((total,)),
                    tables.TAG_SAR_SEGMENT_SEQNUM: bytes((number,)),
                }
                part.short_message = form.octets(piece, 0)
            else:
                header = udh.build([udh.concatenation(reference, total, number, wide=wide)])
                part.esm_class = tables.ESM_UDH
                part.short_message = header + form.octets(piece, len(header))
            parts.append(part)
        return parts

    def _compose_binary(self, unit: Unit, now_ms: int) -> Pdu:
        """A binary message: its payload begins with a header, or with a zero octet for none (spec sending 6.2)."""
        payload = _read_hex(unit.text)
        pdu = self._start(unit, now_ms)
        pdu.data_coding = tables.CODING_BINARY if unit.dcs is None else unit.dcs
        if payload[:1] == b"\0":
            payload = payload[1:]
        elif _has_header(payload):
            pdu.esm_class = tables.ESM_UDH
        pdu.short_message = payload
        return pdu

    def _compose_push(self, unit: Unit, now_ms: int) -> list[Pdu]:
        url, _, title = unit.text.partition("\n")
        try:
            payloads = wap.push_parts(url.strip(), title.strip(), unit.int_id)
        except udh.UdhError:
            raise UnfitError(statuses.ESME_RINVMSGLEN, Err.REFUSED) from None
        pdu = self._start(unit, now_ms)
        pdu.data_coding = tables.CODING_BINARY if unit.dcs is None else unit.dcs
        pdu.esm_class = tables.ESM_UDH
        parts = [_copy(pdu) for _ in payloads]
        for part, payload in zip(parts, payloads, strict=True):
            part.short_message = payload
        return parts


@lru_cache(maxsize=4096)
def _relative(seconds: int) -> str:
    """Relative times need no agreement on zones and clocks; 99 years is all that they can say."""
    return times.format_relative(min(seconds, 99 * 365 * 86400) * 1000)


def _copy(pdu: Pdu) -> Pdu:
    return Pdu(
        tables.SUBMIT_SM,
        0,
        0,
        pdu.service_type,
        pdu.source_addr_ton,
        pdu.source_addr_npi,
        pdu.source_addr,
        pdu.dest_addr_ton,
        pdu.dest_addr_npi,
        pdu.destination_addr,
        pdu.esm_class,
        pdu.protocol_id,
        0,
        pdu.schedule_delivery_time,
        pdu.validity_period,
        pdu.registered_delivery,
        0,
        pdu.data_coding,
    )


def _read_hex(text: str) -> bytes:
    try:
        payload = bytes.fromhex(text)
        return segments.split_binary(payload)[0]
    except ValueError:
        raise UnfitError(statuses.ESME_RINVMSGLEN, Err.REFUSED) from None


def _has_header(payload: bytes) -> bool:
    try:
        return bool(udh.parse(payload)[0])
    except udh.UdhError:
        return False


def _is_latin1(text: str) -> bool:
    return text.isascii() or max(text) <= "\xff"


def _is_both(text: str) -> bool:
    return gsm.fits(text) and _is_latin1(text)


def _write_gsm7(text: str, header: int) -> bytes:
    return gsm.encode(text)


def _write_packed(text: str, header: int) -> bytes:
    """Septets packed behind the header, from a septet border on (TS 23.040, 9.2.3.24)."""
    septets = gsm.encode(text)
    fill = -header * 8 % 7
    # Seven spare bits at the end would read as an "@": a carriage return takes their place (TS 23.038, 6.1.2.3.1).
    if (fill + len(septets) * 7) % 8 == 1:
        septets += _CR
    return gsm.pack(septets, fill)


def _write_latin1(text: str, header: int) -> bytes:
    return text.encode("latin-1", "replace")


def _write_ucs2(text: str, header: int) -> bytes:
    return gsm.encode_as(text, Alphabet.UCS2)


def _forms(default_latin1: bool) -> dict[str, Form]:
    """Every alphabet by its name in the settings.

    Where data_coding 0 means ISO-8859-1, the carrier turns such a text into GSM 7 bit itself: the limits are those of
    septets, and only characters that both alphabets have may go.
    """
    flash_gsm, flash_ucs2 = tables.CODING_FLASH_GSM, tables.CODING_FLASH_UCS2
    gsm7 = Form(gsm.fits, _write_gsm7, Alphabet.GSM7, tables.CODING_DEFAULT, flash_gsm)
    if default_latin1:
        gsm7 = Form(_is_both, _write_latin1, Alphabet.GSM7, tables.CODING_DEFAULT, flash_gsm)
    latin1 = tables.CODING_DEFAULT if default_latin1 else tables.CODING_LATIN1
    return {
        "gsm7": gsm7,
        "gsm7-packed": Form(gsm.fits, _write_packed, Alphabet.GSM7, tables.CODING_DEFAULT, flash_gsm),
        "latin1": Form(_is_latin1, _write_latin1, Alphabet.LATIN1, latin1, None),
        "ucs2": Form(lambda text: True, _write_ucs2, Alphabet.UCS2, tables.CODING_UCS2, flash_ucs2),
    }

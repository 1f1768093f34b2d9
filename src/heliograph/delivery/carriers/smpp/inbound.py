"""A subscriber's text out of deliver_sm or data_sm: alphabet, header, place in a long text (SMPP 3.4, 5.2.19 and 5.3.2)."""

from heliograph.core.carriers import Settings
from heliograph.delivery.carriers.contract import Inbound
from heliograph.wire.gsm import alphabet as gsm
from heliograph.wire.gsm import udh
from heliograph.wire.gsm.alphabet import Alphabet
from heliograph.wire.smpp import tables
from heliograph.wire.smpp.pdus import Pdu

_GSM, _UCS2 = "gsm", "utf-16-be"
_CODECS = {
    tables.CODING_ASCII: "latin-1",
    tables.CODING_LATIN1: "latin-1",
    tables.CODING_JIS: "shift_jis",
    tables.CODING_CYRILLIC: "iso8859-5",
    tables.CODING_HEBREW: "iso8859-8",
    tables.CODING_UCS2: _UCS2,
    tables.CODING_JIS_EXTENDED: "euc_jp",
    tables.CODING_KSC5601: "euc_kr",
}
_ALONE = udh.Concatenation(0, 1, 1)


class Reader:
    """Reads the texts of one carrier's subscribers."""

    def __init__(self, settings: Settings) -> None:
        names = [name.strip().lower() for name in settings.alphabets.split(",")]
        self._default = "latin-1" if settings.default_latin1 else _GSM
        self._packed = "gsm7-packed" in names and "gsm7" not in names

    def read(self, pdu: Pdu, now_ms: int) -> Inbound:
        """The text, or the part of one. What has no characters (binary data) is told as hex; nothing fails."""
        data, place, header = self._open(pdu)
        return Inbound(
            pdu.source_addr.removeprefix("+"),
            pdu.destination_addr.removeprefix("+"),
            self._decode(data, pdu.data_coding, header),
            now_ms,
            reference=place.reference,
            total=place.total,
            number=place.number,
        )

    def _open(self, pdu: Pdu) -> tuple[bytes, udh.Concatenation, int]:
        """The octets behind the header, the place in a long text, and the length of the header."""
        data = pdu.text
        place = None
        header = 0
        if pdu.esm_class & tables.ESM_UDH:
            try:
                elements, rest = udh.parse(data)
            except udh.UdhError:
                pass  # the flag is wrong: all of it is text
            else:
                place = _read_place(elements)
                header = len(data) - len(rest)
                data = rest
        return data, place or _read_sar(pdu.tlvs) or _ALONE, header

    def _decode(self, data: bytes, coding: int, header: int) -> str:
        codec = self._default if coding == tables.CODING_DEFAULT else _codec_of(coding)
        if not codec:
            return data.hex()
        if codec == _UCS2:
            # Phones split where 67 units are full, also in the middle of an emoji: its halves meet in core/inbound.py.
            text = data[: len(data) & ~1].decode(codec, "surrogatepass") + "\ufffd" * (len(data) & 1)
        elif codec != _GSM:
            text = data.decode(codec, "replace")
        elif self._packed:
            fill = -header * 8 % 7
            septets = gsm.unpack(data, (len(data) * 8 - fill) // 7, fill)
            # The carriage return that only fills the last octet (TS 23.038, 6.1.2.3.1), or seven bits of nothing.
            if (fill + len(septets) * 7) % 8 == 0 and septets[-1:] in (b"\r", b"\0"):
                septets = septets[:-1]
            text = gsm.decode(septets)
        else:
            text = gsm.decode_as(data, Alphabet.GSM7)
        return text.replace("\0", "")


def _read_place(elements: list[udh.Element]) -> udh.Concatenation | None:
    """The place by a header. References of 16 bits are none of those of 8: a phone counts both."""
    place = udh.find_concatenation(elements)
    if place is not None and udh.find_concatenation([each for each in elements if len(each.data) == 3]) != place:
        return udh.Concatenation(place.reference | 0x10000, place.total, place.number)
    return place


def _read_sar(tlvs: dict[int, bytes]) -> udh.Concatenation | None:
    if not tlvs or tables.TAG_SAR_MSG_REF_NUM not in tlvs:
        return None
    numbers = (tables.TAG_SAR_MSG_REF_NUM, tables.TAG_SAR_TOTAL_SEGMENTS, tables.TAG_SAR_SEGMENT_SEQNUM)
    place = udh.Concatenation(*[int.from_bytes(tlvs.get(tag, b"\0"), "big") for tag in numbers])
    return place if 1 <= place.number <= place.total <= 0xFF else None


def _codec_of(coding: int) -> str:
    """The codec of a data_coding other than 0, "" for binary data.

    0x01 to 0x0F are SMPP's own; from 0x10 on they are the coding groups of 3GPP TS 23.038, section 4.
    """
    if coding < 0x10:
        return _CODECS.get(coding, "")
    group = coding >> 4
    if group in (0xC, 0xD):  # message waiting, text in GSM 7 bit
        return _GSM
    if group == 0xE:  # message waiting, text in UCS-2
        return _UCS2
    if group == 0xF:  # message class, bit 2 says 8-bit data
        return "" if coding & 0x04 else _GSM
    if group > 0x7 or coding & 0x20:  # reserved, or compressed
        return ""
    return {0x00: _GSM, 0x08: _UCS2}.get(coding & 0x0C, "")

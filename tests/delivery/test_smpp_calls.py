"""Calls over SMPP: the submit that asks for one, the receipt that tells of it, and the simulator that places them (docs/codes.md)."""

import asyncio

import pytest
from tests.delivery.centres import PHONE, Books, carrier, now_ms, unit, until

from heliograph.core.carriers import Settings
from heliograph.core.messages import Kind
from heliograph.core.status import Err
from heliograph.delivery.carriers.smpp import SmppCarrier, receipts
from heliograph.delivery.carriers.smpp.parts import Composer, UnfitError
from heliograph.simulator import calls
from heliograph.simulator.behaviour import Profile
from heliograph.simulator.server import Simulator
from heliograph.wire.smpp import tables

NOW = 1_700_000_000_000
CALL = unit(text="042917", kind=Kind.CALL)


def test_submit_names_the_service_and_holds_the_digits() -> None:
    """What docs/codes.md tells an operator to agree upon with his carrier; the receipt is always asked for."""
    composer = Composer(Settings(calls=True, service_type="VMA", receipts=False, alphabets="ucs2"))
    (pdu,) = composer.compose(CALL, NOW)
    assert (pdu.service_type, pdu.short_message, pdu.data_coding) == ("CALL", b"042917", 0)
    assert (pdu.registered_delivery, pdu.destination_addr) == (tables.REGISTERED_FINAL, PHONE)


def test_carrier_for_texts_is_never_given_a_call() -> None:
    """Without its setting it would send the bare digits as a text."""
    with pytest.raises(UnfitError) as refused:
        Composer(Settings()).compose(CALL, NOW)
    assert refused.value.err == Err.NO_SUPPORT


@pytest.mark.parametrize(
    ("tlvs", "told"),
    [
        ({0x1408: b"11\0", 0x1409: b"6\0", 0x140A: b"12#\0", 0x140B: b"2*1\0", 0x140C: b"3"}, (11, 6, "12#", "2*1", 3)),
        ({0x1409: b"22\0"}, (None, 22, "", "", 0)),
        ({0x1408: b"0"}, (0, None, "", "", 0)),
        ({0x1408: b"-1\0", 0x1409: b"99999999\0", 0x140A: b"<b>1\xff\0"}, (None, None, "1", "", 0)),
    ],
)
def test_receipt_tells_how_the_call_went(tlvs: dict[int, bytes], told: tuple[object, ...]) -> None:
    """Seconds are digits and keys are those of a telephone; anything else of them is left out."""
    talk = receipts.read_talk(tlvs)
    assert talk is not None
    assert (talk.seconds, talk.ringing_s, talk.keys, talk.menu, talk.overtime_s) == told


def test_receipt_of_a_text_tells_of_no_call() -> None:
    """Most receipts: they cost no object more."""
    assert receipts.read_talk({}) is None
    assert receipts.read_talk({0x1400: b"250\0", 0x140A: b"1\0"}) is None


def test_simulator_places_calls() -> None:
    """So that a customer's program can be tried whole: one that is answered, one that is not."""

    async def main() -> None:
        simulator, books = Simulator(Profile(), {"acme": "s3cret"}), Books()
        _, port = await simulator.start()
        links = SmppCarrier(carrier(port, calls=True), books, now_ms)
        await links.start()
        await until(lambda: links.stats()["bound"] == links.stats()["links"])
        try:
            for number, digits in enumerate(("0001", "0010"), 1):
                links.send(unit(number, "042917", kind=Kind.CALL, phone=f"7999000{digits}"))
            await until(lambda: len(books.receipts) == 2)
        finally:
            await links.stop(0)
            await simulator.stop()
        told = {receipt.phone[-4:]: receipt for receipt, _ in books.receipts}
        answered, missed = told["0001"].talk, told["0010"].talk
        assert answered is not None
        assert missed is not None
        assert (told["0001"].status, told["0010"].status) == (1, 20)
        assert answered.seconds is not None
        assert 8 <= answered.seconds < 16
        assert missed.seconds is None
        assert missed.ringing_s == 22
        assert "042917" not in told["0001"].detail + told["0010"].detail
        assert calls.tell("+79990000001", 1, True) == calls.tell("79990000001", 1, True)

    asyncio.run(main())

"""What the simulated carrier tells of itself: each submit_sm as it saw it, and what is not possible (SMPP 3.4, 4.4.1)."""

from __future__ import annotations

import msgspec

from heliograph.wire.smpp.pdus import Pdu


class SimulatorError(Exception):
    """What was asked of the simulator is not possible now; says why."""


class SubmitRecord(msgspec.Struct, frozen=True):
    """One submit_sm as the carrier saw it, refused ones included.

    `text` is what this PDU says, `whole` the joined text once the last accepted part is here (None before, and
    for refused ones). `at_ms` is UTC milliseconds, `message_id` the id of the response, "" when refused.
    """

    system_id: str
    source: str
    destination: str
    text: str
    whole: str | None
    payload: bytes
    data_coding: int
    esm_class: int
    tlvs: dict[int, bytes]
    part: int
    parts: int
    at_ms: int
    message_id: str
    outcome: str
    status: int
    pdu: Pdu

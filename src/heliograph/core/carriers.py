"""What an operator says about a carrier: its links, speed, alphabet and habits (issue vocabulary: SMPP 3.4)."""

from typing import Annotated, Literal

import msgspec

Meta = msgspec.Meta


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Settings of an SMPP carrier. Every field carries its own help."""

    host: Annotated[str, Meta(description="Host name or address of the carrier's SMPP server")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="Its port")] = 2775
    system_id: Annotated[str, Meta(max_length=15, description="Login at the carrier")] = ""
    system_type: Annotated[str, Meta(max_length=12, description="system_type of the bind")] = ""
    bind: Annotated[
        Literal["transceiver", "split"],
        Meta(description="transceiver, or split: a transmitter and a receiver for each link"),
    ] = "transceiver"
    tls: Annotated[bool, Meta(description="Speak TLS")] = False
    tls_verify: Annotated[bool, Meta(description="Check the carrier's certificate")] = True
    tls_ca: Annotated[str, Meta(description="File with the authority that signed it, when not a public one")] = ""
    links: Annotated[int, Meta(ge=1, le=64, description="Connections to hold")] = 1
    links_most: Annotated[
        int, Meta(ge=0, le=64, description="Connections to open while texts wait, at most; 0: never more than links")
    ] = 0
    window: Annotated[int, Meta(ge=1, le=5000, description="Unanswered submits allowed on each link")] = 100
    window_most: Annotated[
        int, Meta(ge=0, le=5000, description="What the window may grow to while texts wait; 0: it never grows")
    ] = 0
    reserve: Annotated[
        int, Meta(ge=0, le=90, description="Percent of each window kept for lane 1, at least one slot; 0: none")
    ] = 4
    ahead: Annotated[
        int,
        Meta(ge=0, le=1000, description="Parts held ready behind each full window, so that no slot waits for the disk"),
    ] = 0
    rate: Annotated[float, Meta(ge=0, description="Parts a second over all links; 0: as fast as the window lets")] = 0.0
    enquire_s: Annotated[float, Meta(gt=0, description="Seconds of silence before enquire_link")] = 30.0
    answer_s: Annotated[float, Meta(gt=0, description="Seconds to wait for the answer to a submit")] = 30.0
    reconnect_s: Annotated[float, Meta(gt=0, description="First pause before binding again; doubles up to 60 s")] = 1.0
    source_ton: Annotated[int, Meta(ge=-1, le=7, description="TON of the sender; -1: by its form")] = -1
    source_npi: Annotated[int, Meta(ge=-1, le=18, description="NPI of the sender; -1: by its form")] = -1
    dest_ton: Annotated[int, Meta(ge=0, le=7, description="TON of the recipient")] = 1
    dest_npi: Annotated[int, Meta(ge=0, le=18, description="NPI of the recipient")] = 1
    service_type: Annotated[str, Meta(max_length=5, description="service_type of submit_sm")] = ""
    alphabets: Annotated[
        str, Meta(description="What the carrier takes, best first: gsm7, gsm7-packed, latin1, ucs2")
    ] = "gsm7,ucs2"
    default_latin1: Annotated[bool, Meta(description="data_coding 0 means ISO-8859-1 at this carrier")] = False
    long_text: Annotated[
        Literal["udh", "udh16", "sar", "payload"],
        Meta(description="How long texts travel: udh (8-bit), udh16, sar, payload"),
    ] = "udh"
    validity: Annotated[bool, Meta(description="Pass the validity_period on")] = True
    schedule: Annotated[bool, Meta(description="Pass future times on as schedule_delivery_time")] = False
    receipts: Annotated[bool, Meta(description="Ask for delivery receipts")] = True
    calls: Annotated[
        bool,
        Meta(description="It places calls: submits of service_type CALL with the digits to be told (docs/codes.md)"),
    ] = False
    errors: Annotated[
        dict[str, int], Meta(description="Vendor codes to err of our table: {'0x45': 255, 'receipt:001': 1}")
    ] = {}
    unsure: Annotated[
        Literal["wait", "again"],
        Meta(description="Submits that were never answered: wait for their receipt, or send again"),
    ] = "wait"
    unsure_s: Annotated[int, Meta(ge=1, description="Seconds to wait for that receipt (then status 3, err 245)")] = (
        86400
    )
    report_s: Annotated[int, Meta(ge=60, description="Seconds to wait for a receipt (then status 3, err 245)")] = 90000
    patience_s: Annotated[
        float, Meta(ge=0, description="Seconds without a link before texts move to the next route")
    ] = 10.0
    retries: Annotated[int, Meta(ge=0, description="Times a temporary refusal is tried again here")] = 20
    failover: Annotated[
        str, Meta(description="When texts move to the next route: refused, down, expired (comma between)")
    ] = "refused,down,expired"


class Carrier(msgspec.Struct, frozen=True):
    """A carrier as it is stored; ``password`` is in the clear in memory only."""

    id: int
    name: str
    kind: str
    enabled: bool
    settings: Settings
    password: str

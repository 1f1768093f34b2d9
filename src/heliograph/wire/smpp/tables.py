"""Every PDU and optional field of SMPP 3.4 as data (SMPP 3.4 Issue 1.2, sections 4 and 5)."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from . import statuses

GENERIC_NACK: Final = 0x80000000
BIND_RECEIVER: Final = 0x00000001
BIND_RECEIVER_RESP: Final = 0x80000001
BIND_TRANSMITTER: Final = 0x00000002
BIND_TRANSMITTER_RESP: Final = 0x80000002
QUERY_SM: Final = 0x00000003
QUERY_SM_RESP: Final = 0x80000003
SUBMIT_SM: Final = 0x00000004
SUBMIT_SM_RESP: Final = 0x80000004
DELIVER_SM: Final = 0x00000005
DELIVER_SM_RESP: Final = 0x80000005
UNBIND: Final = 0x00000006
UNBIND_RESP: Final = 0x80000006
REPLACE_SM: Final = 0x00000007
REPLACE_SM_RESP: Final = 0x80000007
CANCEL_SM: Final = 0x00000008
CANCEL_SM_RESP: Final = 0x80000008
BIND_TRANSCEIVER: Final = 0x00000009
BIND_TRANSCEIVER_RESP: Final = 0x80000009
OUTBIND: Final = 0x0000000B
ENQUIRE_LINK: Final = 0x00000015
ENQUIRE_LINK_RESP: Final = 0x80000015
SUBMIT_MULTI: Final = 0x00000021
SUBMIT_MULTI_RESP: Final = 0x80000021
ALERT_NOTIFICATION: Final = 0x00000102
DATA_SM: Final = 0x00000103
DATA_SM_RESP: Final = 0x80000103

# The bit that makes an answer of a request (5.1.2.1).
RESPONSE: Final = 0x80000000
BINDS: Final = frozenset((BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER))

HEADER_LENGTH: Final = 16
# sm_length is one octet, and the standard stops at 254 (5.2.21); 255 is met in the field and does no harm.
SHORT_MESSAGE_LIMIT: Final = 255
# Room for a message_payload of 64 KiB is asked by nobody; the largest honest PDU is a submit_multi with
# 255 destinations x 24 octets + 254 octets of text + optional fields, some 7 KiB.
MAX_LENGTH: Final = 65_536

Kind = Literal["int1", "int4", "cstring", "octets", "destinations", "failures"]


class Field(NamedTuple):
    """A mandatory field: its name in `Pdu`, how it is written, its limit in octets (NUL included) and the status for breaking it."""

    name: str
    kind: Kind
    limit: int = 1
    status: int = statuses.ESME_RINVPARLEN


class Command(NamedTuple):
    """A row: the command's name, its mandatory fields in order, and the sides it may be sent to."""

    name: str
    fields: tuple[Field, ...] = ()
    to_centre: bool = True
    to_esme: bool = True


def _cstring(name: str, limit: int, status: int = statuses.ESME_RINVPARLEN) -> Field:
    return Field(name, "cstring", limit, status)


def _int1(name: str) -> Field:
    return Field(name, "int1")


_SYSTEM_ID = _cstring("system_id", 16, statuses.ESME_RINVSYSID)
_PASSWORD = _cstring("password", 9, statuses.ESME_RINVPASWD)
_SERVICE_TYPE = _cstring("service_type", 6, statuses.ESME_RINVSERTYP)
_MESSAGE_ID = _cstring("message_id", 65, statuses.ESME_RINVMSGID)
_SCHEDULE = _cstring("schedule_delivery_time", 17, statuses.ESME_RINVSCHED)
_VALIDITY = _cstring("validity_period", 17, statuses.ESME_RINVEXPIRY)
_TEXT = Field("short_message", "octets", SHORT_MESSAGE_LIMIT, statuses.ESME_RINVMSGLEN)


def _source(limit: int = 21) -> tuple[Field, ...]:
    return (
        _int1("source_addr_ton"),
        _int1("source_addr_npi"),
        _cstring("source_addr", limit, statuses.ESME_RINVSRCADR),
    )


def _destination(limit: int = 21) -> tuple[Field, ...]:
    address = _cstring("destination_addr", limit, statuses.ESME_RINVDSTADR)
    return (_int1("dest_addr_ton"), _int1("dest_addr_npi"), address)


_BIND = (
    _SYSTEM_ID,
    _PASSWORD,
    _cstring("system_type", 13, statuses.ESME_RINVSYSTYP),
    _int1("interface_version"),
    _int1("addr_ton"),
    _int1("addr_npi"),
    _cstring("address_range", 41),
)
_AFTER_DESTINATION = (
    _int1("esm_class"),
    _int1("protocol_id"),
    _int1("priority_flag"),
    _SCHEDULE,
    _VALIDITY,
    _int1("registered_delivery"),
    _int1("replace_if_present_flag"),
    _int1("data_coding"),
    _int1("sm_default_msg_id"),
    _TEXT,
)
_MESSAGE = (_SERVICE_TYPE, *_source(), *_destination(), *_AFTER_DESTINATION)
_DESTINATIONS = Field("destinations", "destinations", 255, statuses.ESME_RINVNUMDESTS)

COMMANDS: Final[dict[int, Command]] = {
    GENERIC_NACK: Command("generic_nack"),
    BIND_RECEIVER: Command("bind_receiver", _BIND, to_esme=False),
    BIND_RECEIVER_RESP: Command("bind_receiver_resp", (_SYSTEM_ID,), to_centre=False),
    BIND_TRANSMITTER: Command("bind_transmitter", _BIND, to_esme=False),
    BIND_TRANSMITTER_RESP: Command("bind_transmitter_resp", (_SYSTEM_ID,), to_centre=False),
    BIND_TRANSCEIVER: Command("bind_transceiver", _BIND, to_esme=False),
    BIND_TRANSCEIVER_RESP: Command("bind_transceiver_resp", (_SYSTEM_ID,), to_centre=False),
    OUTBIND: Command("outbind", (_SYSTEM_ID, _PASSWORD), to_centre=False),
    UNBIND: Command("unbind"),
    UNBIND_RESP: Command("unbind_resp"),
    ENQUIRE_LINK: Command("enquire_link"),
    ENQUIRE_LINK_RESP: Command("enquire_link_resp"),
    SUBMIT_SM: Command("submit_sm", _MESSAGE, to_esme=False),
    SUBMIT_SM_RESP: Command("submit_sm_resp", (_MESSAGE_ID,), to_centre=False),
    SUBMIT_MULTI: Command(
        "submit_multi", (_SERVICE_TYPE, *_source(), _DESTINATIONS, *_AFTER_DESTINATION), to_esme=False
    ),
    SUBMIT_MULTI_RESP: Command(
        "submit_multi_resp",
        (_MESSAGE_ID, Field("failures", "failures", 255, statuses.ESME_RINVNUMDESTS)),
        to_centre=False,
    ),
    DELIVER_SM: Command("deliver_sm", _MESSAGE, to_centre=False),
    DELIVER_SM_RESP: Command("deliver_sm_resp", (_MESSAGE_ID,), to_esme=False),
    DATA_SM: Command(
        "data_sm",
        (
            _SERVICE_TYPE,
            *_source(65),
            *_destination(65),
            _int1("esm_class"),
            _int1("registered_delivery"),
            _int1("data_coding"),
        ),
    ),
    DATA_SM_RESP: Command("data_sm_resp", (_MESSAGE_ID,)),
    QUERY_SM: Command("query_sm", (_MESSAGE_ID, *_source()), to_esme=False),
    QUERY_SM_RESP: Command(
        "query_sm_resp",
        (_MESSAGE_ID, _cstring("final_date", 17), _int1("message_state"), _int1("error_code")),
        to_centre=False,
    ),
    CANCEL_SM: Command("cancel_sm", (_SERVICE_TYPE, _MESSAGE_ID, *_source(), *_destination()), to_esme=False),
    CANCEL_SM_RESP: Command("cancel_sm_resp", to_centre=False),
    REPLACE_SM: Command(
        "replace_sm",
        (
            _MESSAGE_ID,
            *_source(),
            _SCHEDULE,
            _VALIDITY,
            _int1("registered_delivery"),
            _int1("sm_default_msg_id"),
            _TEXT,
        ),
        to_esme=False,
    ),
    REPLACE_SM_RESP: Command("replace_sm_resp", to_centre=False),
    ALERT_NOTIFICATION: Command(
        "alert_notification",
        (*_source(65), _int1("esme_addr_ton"), _int1("esme_addr_npi"), _cstring("esme_addr", 65)),
        to_centre=False,
    ),
}
COMMAND_IDS: Final[dict[str, int]] = {row.name: number for number, row in COMMANDS.items()}


TlvKind = Literal["int1", "int2", "int4", "cstring", "octets", "flag"]


class Tlv(NamedTuple):
    """An optional field (5.3): name, how its value is written, and its largest length in octets."""

    name: str
    kind: TlvKind
    limit: int


TLVS: Final[dict[int, Tlv]] = {
    0x0005: Tlv("dest_addr_subunit", "int1", 1),
    0x0006: Tlv("dest_network_type", "int1", 1),
    0x0007: Tlv("dest_bearer_type", "int1", 1),
    0x0008: Tlv("dest_telematics_id", "int2", 2),
    0x000D: Tlv("source_addr_subunit", "int1", 1),
    0x000E: Tlv("source_network_type", "int1", 1),
    0x000F: Tlv("source_bearer_type", "int1", 1),
    0x0010: Tlv("source_telematics_id", "int1", 1),
    0x0017: Tlv("qos_time_to_live", "int4", 4),
    0x0019: Tlv("payload_type", "int1", 1),
    0x001D: Tlv("additional_status_info_text", "cstring", 256),
    0x001E: Tlv("receipted_message_id", "cstring", 65),
    0x0030: Tlv("ms_msg_wait_facilities", "int1", 1),
    0x0201: Tlv("privacy_indicator", "int1", 1),
    0x0202: Tlv("source_subaddress", "octets", 23),
    0x0203: Tlv("dest_subaddress", "octets", 23),
    0x0204: Tlv("user_message_reference", "int2", 2),
    0x0205: Tlv("user_response_code", "int1", 1),
    0x020A: Tlv("source_port", "int2", 2),
    0x020B: Tlv("destination_port", "int2", 2),
    0x020C: Tlv("sar_msg_ref_num", "int2", 2),
    0x020D: Tlv("language_indicator", "int1", 1),
    0x020E: Tlv("sar_total_segments", "int1", 1),
    0x020F: Tlv("sar_segment_seqnum", "int1", 1),
    0x0210: Tlv("sc_interface_version", "int1", 1),
    0x0302: Tlv("callback_num_pres_ind", "int1", 1),
    0x0303: Tlv("callback_num_atag", "octets", 65),
    0x0304: Tlv("number_of_messages", "int1", 1),
    0x0381: Tlv("callback_num", "octets", 19),
    0x0420: Tlv("dpf_result", "int1", 1),
    0x0421: Tlv("set_dpf", "int1", 1),
    0x0422: Tlv("ms_availability_status", "int1", 1),
    0x0423: Tlv("network_error_code", "octets", 3),
    0x0424: Tlv("message_payload", "octets", 65_535),
    0x0425: Tlv("delivery_failure_reason", "int1", 1),
    0x0426: Tlv("more_messages_to_send", "int1", 1),
    0x0427: Tlv("message_state", "int1", 1),
    0x0501: Tlv("ussd_service_op", "octets", 1),
    0x1201: Tlv("display_time", "int1", 1),
    0x1203: Tlv("sms_signal", "int2", 2),
    0x1204: Tlv("ms_validity", "int1", 1),
    0x130C: Tlv("alert_on_message_delivery", "flag", 0),
    0x1380: Tlv("its_reply_type", "int1", 1),
    0x1383: Tlv("its_session_info", "octets", 2),
}
TAGS: Final[dict[str, int]] = {row.name: tag for tag, row in TLVS.items()}

TAG_RECEIPTED_MESSAGE_ID: Final = 0x001E
TAG_SAR_MSG_REF_NUM: Final = 0x020C
TAG_SAR_TOTAL_SEGMENTS: Final = 0x020E
TAG_SAR_SEGMENT_SEQNUM: Final = 0x020F
TAG_SC_INTERFACE_VERSION: Final = 0x0210
TAG_NETWORK_ERROR_CODE: Final = 0x0423
TAG_MESSAGE_PAYLOAD: Final = 0x0424
TAG_MESSAGE_STATE: Final = 0x0427

# data_coding (5.2.19)
CODING_DEFAULT: Final = 0x00
CODING_ASCII: Final = 0x01
CODING_BINARY_ALT: Final = 0x02
CODING_LATIN1: Final = 0x03
CODING_BINARY: Final = 0x04
CODING_JIS: Final = 0x05
CODING_CYRILLIC: Final = 0x06
CODING_HEBREW: Final = 0x07
CODING_UCS2: Final = 0x08
CODING_PICTOGRAM: Final = 0x09
CODING_MUSIC: Final = 0x0A
CODING_JIS_EXTENDED: Final = 0x0D
CODING_KSC5601: Final = 0x0E
# GSM 03.38 general data coding group with a message class: class 0 shows the text at once ("flash").
CODING_FLASH_GSM: Final = 0x10
CODING_FLASH_UCS2: Final = 0x18

# esm_class (5.2.12)
ESM_DEFAULT: Final = 0x00
ESM_DATAGRAM: Final = 0x01
ESM_FORWARD: Final = 0x02
ESM_STORE_FORWARD: Final = 0x03
ESM_MODE_MASK: Final = 0x03
ESM_RECEIPT: Final = 0x04
ESM_ACKNOWLEDGEMENT: Final = 0x08
ESM_MANUAL_ACKNOWLEDGEMENT: Final = 0x10
ESM_CONVERSATION_ABORT: Final = 0x18
ESM_INTERMEDIATE: Final = 0x20
ESM_TYPE_MASK: Final = 0x3C
ESM_UDH: Final = 0x40
ESM_REPLY_PATH: Final = 0x80

# registered_delivery (5.2.17)
REGISTERED_NONE: Final = 0x00
REGISTERED_FINAL: Final = 0x01
REGISTERED_FAILURE: Final = 0x02
REGISTERED_RECEIPT_MASK: Final = 0x03
REGISTERED_INTERMEDIATE: Final = 0x10

# type of number and numbering plan (5.2.5, 5.2.6)
TON_UNKNOWN: Final = 0
TON_INTERNATIONAL: Final = 1
TON_NATIONAL: Final = 2
TON_NETWORK: Final = 3
TON_SUBSCRIBER: Final = 4
TON_ALPHANUMERIC: Final = 5
TON_ABBREVIATED: Final = 6
NPI_UNKNOWN: Final = 0
NPI_ISDN: Final = 1

# protocol_id 0x40: short message type 0, which a phone acknowledges and never shows (3GPP 23.040, 9.2.3.9)
PROTOCOL_TYPE_ZERO: Final = 0x40

# message_state (5.2.28)
STATE_ENROUTE: Final = 1
STATE_DELIVERED: Final = 2
STATE_EXPIRED: Final = 3
STATE_DELETED: Final = 4
STATE_UNDELIVERABLE: Final = 5
STATE_ACCEPTED: Final = 6
STATE_UNKNOWN: Final = 7
STATE_REJECTED: Final = 8


def command_name(command_id: int) -> str:
    """The name of a command, or its number in hex when it has none."""
    row = COMMANDS.get(command_id)
    return row.name if row else f"0x{command_id:08X}"

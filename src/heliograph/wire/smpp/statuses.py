"""Every command_status: name, meaning, and what to do about it (SMPP 3.4 Issue 1.2, 5.1.3; 0x100 to 0x112 from SMPP 5.0)."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

ESME_ROK: Final = 0x00000000
ESME_RINVMSGLEN: Final = 0x00000001
ESME_RINVCMDLEN: Final = 0x00000002
ESME_RINVCMDID: Final = 0x00000003
ESME_RINVBNDSTS: Final = 0x00000004
ESME_RALYBND: Final = 0x00000005
ESME_RINVPRTFLG: Final = 0x00000006
ESME_RINVREGDLVFLG: Final = 0x00000007
ESME_RSYSERR: Final = 0x00000008
ESME_RINVSRCADR: Final = 0x0000000A
ESME_RINVDSTADR: Final = 0x0000000B
ESME_RINVMSGID: Final = 0x0000000C
ESME_RBINDFAIL: Final = 0x0000000D
ESME_RINVPASWD: Final = 0x0000000E
ESME_RINVSYSID: Final = 0x0000000F
ESME_RCANCELFAIL: Final = 0x00000011
ESME_RREPLACEFAIL: Final = 0x00000013
ESME_RMSGQFUL: Final = 0x00000014
ESME_RINVSERTYP: Final = 0x00000015
ESME_RINVNUMDESTS: Final = 0x00000033
ESME_RINVDLNAME: Final = 0x00000034
ESME_RINVDESTFLAG: Final = 0x00000040
ESME_RINVSUBREP: Final = 0x00000042
ESME_RINVESMCLASS: Final = 0x00000043
ESME_RCNTSUBDL: Final = 0x00000044
ESME_RSUBMITFAIL: Final = 0x00000045
ESME_RINVSRCTON: Final = 0x00000048
ESME_RINVSRCNPI: Final = 0x00000049
ESME_RINVDSTTON: Final = 0x00000050
ESME_RINVDSTNPI: Final = 0x00000051
ESME_RINVSYSTYP: Final = 0x00000053
ESME_RINVREPFLAG: Final = 0x00000054
ESME_RINVNUMMSGS: Final = 0x00000055
ESME_RTHROTTLED: Final = 0x00000058
ESME_RINVSCHED: Final = 0x00000061
ESME_RINVEXPIRY: Final = 0x00000062
ESME_RINVDFTMSGID: Final = 0x00000063
ESME_RX_T_APPN: Final = 0x00000064
ESME_RX_P_APPN: Final = 0x00000065
ESME_RX_R_APPN: Final = 0x00000066
ESME_RQUERYFAIL: Final = 0x00000067
ESME_RINVOPTPARSTREAM: Final = 0x000000C0
ESME_ROPTPARNOTALLWD: Final = 0x000000C1
ESME_RINVPARLEN: Final = 0x000000C2
ESME_RMISSINGOPTPARAM: Final = 0x000000C3
ESME_RINVOPTPARAMVAL: Final = 0x000000C4
ESME_RDELIVERYFAILURE: Final = 0x000000FE
ESME_RUNKNOWNERR: Final = 0x000000FF
ESME_RSERTYPUNAUTH: Final = 0x00000100
ESME_RPROHIBITED: Final = 0x00000101
ESME_RSERTYPUNAVAIL: Final = 0x00000102
ESME_RSERTYPDENIED: Final = 0x00000103
ESME_RINVDCS: Final = 0x00000104
ESME_RINVSRCADDRSUBUNIT: Final = 0x00000105
ESME_RINVDSTADDRSUBUNIT: Final = 0x00000106
ESME_RINVBCASTFREQINT: Final = 0x00000107
ESME_RINVBCASTALIAS_NAME: Final = 0x00000108
ESME_RINVBCASTAREAFMT: Final = 0x00000109
ESME_RINVNUMBCAST_AREAS: Final = 0x0000010A
ESME_RINVBCASTCNTTYPE: Final = 0x0000010B
ESME_RINVBCASTMSGCLASS: Final = 0x0000010C
ESME_RBCASTFAIL: Final = 0x0000010D
ESME_RBCASTQUERYFAIL: Final = 0x0000010E
ESME_RBCASTCANCELFAIL: Final = 0x0000010F
ESME_RINVBCAST_REP: Final = 0x00000110
ESME_RINVBCASTSRVGRP: Final = 0x00000111
ESME_RINVBCASTCHANIND: Final = 0x00000112


class Nature(Enum):
    """What a status asks of the sender: go on, slow down, try again later, or give this message up."""

    OK = "ok"
    THROTTLED = "throttled"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"


class Status(NamedTuple):
    """A row: the standard's name, one line of meaning, and its nature for whoever sent a message."""

    name: str
    meaning: str
    nature: Nature


_OK, _SLOW, _LATER, _NEVER = Nature.OK, Nature.THROTTLED, Nature.TEMPORARY, Nature.PERMANENT

STATUSES: Final[dict[int, Status]] = {
    ESME_ROK: Status("ESME_ROK", "done", _OK),
    ESME_RINVMSGLEN: Status("ESME_RINVMSGLEN", "the text has a wrong length", _NEVER),
    ESME_RINVCMDLEN: Status("ESME_RINVCMDLEN", "the length of the PDU is wrong", _NEVER),
    ESME_RINVCMDID: Status("ESME_RINVCMDID", "unknown command", _NEVER),
    ESME_RINVBNDSTS: Status("ESME_RINVBNDSTS", "the session is not bound for this command", _LATER),
    ESME_RALYBND: Status("ESME_RALYBND", "already bound, or too many sessions", _LATER),
    ESME_RINVPRTFLG: Status("ESME_RINVPRTFLG", "bad priority flag", _NEVER),
    ESME_RINVREGDLVFLG: Status("ESME_RINVREGDLVFLG", "bad registered delivery flag", _NEVER),
    ESME_RSYSERR: Status("ESME_RSYSERR", "an error inside the other system", _LATER),
    ESME_RINVSRCADR: Status("ESME_RINVSRCADR", "bad source address", _NEVER),
    ESME_RINVDSTADR: Status("ESME_RINVDSTADR", "bad destination address", _NEVER),
    ESME_RINVMSGID: Status("ESME_RINVMSGID", "unknown or bad message id", _NEVER),
    ESME_RBINDFAIL: Status("ESME_RBINDFAIL", "bind refused", _LATER),
    ESME_RINVPASWD: Status("ESME_RINVPASWD", "wrong password", _NEVER),
    ESME_RINVSYSID: Status("ESME_RINVSYSID", "unknown system id", _NEVER),
    ESME_RCANCELFAIL: Status("ESME_RCANCELFAIL", "the message cannot be cancelled", _NEVER),
    ESME_RREPLACEFAIL: Status("ESME_RREPLACEFAIL", "the message cannot be replaced", _NEVER),
    ESME_RMSGQFUL: Status("ESME_RMSGQFUL", "the message queue is full", _SLOW),
    ESME_RINVSERTYP: Status("ESME_RINVSERTYP", "bad service type", _NEVER),
    ESME_RINVNUMDESTS: Status("ESME_RINVNUMDESTS", "bad number of destinations", _NEVER),
    ESME_RINVDLNAME: Status("ESME_RINVDLNAME", "unknown distribution list", _NEVER),
    ESME_RINVDESTFLAG: Status("ESME_RINVDESTFLAG", "bad destination flag", _NEVER),
    ESME_RINVSUBREP: Status("ESME_RINVSUBREP", "submit with replace is not possible", _NEVER),
    ESME_RINVESMCLASS: Status("ESME_RINVESMCLASS", "bad esm_class", _NEVER),
    ESME_RCNTSUBDL: Status("ESME_RCNTSUBDL", "cannot submit to the distribution list", _NEVER),
    ESME_RSUBMITFAIL: Status("ESME_RSUBMITFAIL", "submit refused", _NEVER),
    ESME_RINVSRCTON: Status("ESME_RINVSRCTON", "bad type of number of the source", _NEVER),
    ESME_RINVSRCNPI: Status("ESME_RINVSRCNPI", "bad numbering plan of the source", _NEVER),
    ESME_RINVDSTTON: Status("ESME_RINVDSTTON", "bad type of number of the destination", _NEVER),
    ESME_RINVDSTNPI: Status("ESME_RINVDSTNPI", "bad numbering plan of the destination", _NEVER),
    ESME_RINVSYSTYP: Status("ESME_RINVSYSTYP", "bad system type", _NEVER),
    ESME_RINVREPFLAG: Status("ESME_RINVREPFLAG", "bad replace_if_present flag", _NEVER),
    ESME_RINVNUMMSGS: Status("ESME_RINVNUMMSGS", "bad number of messages", _NEVER),
    ESME_RTHROTTLED: Status("ESME_RTHROTTLED", "more messages than agreed; slow down", _SLOW),
    ESME_RINVSCHED: Status("ESME_RINVSCHED", "bad scheduled delivery time", _NEVER),
    ESME_RINVEXPIRY: Status("ESME_RINVEXPIRY", "bad validity period", _NEVER),
    ESME_RINVDFTMSGID: Status("ESME_RINVDFTMSGID", "unknown predefined message", _NEVER),
    ESME_RX_T_APPN: Status("ESME_RX_T_APPN", "the receiver has a temporary error", _LATER),
    ESME_RX_P_APPN: Status("ESME_RX_P_APPN", "the receiver has a permanent error", _NEVER),
    ESME_RX_R_APPN: Status("ESME_RX_R_APPN", "the receiver rejects the message", _NEVER),
    ESME_RQUERYFAIL: Status("ESME_RQUERYFAIL", "the query failed", _NEVER),
    ESME_RINVOPTPARSTREAM: Status("ESME_RINVOPTPARSTREAM", "the optional fields cannot be read", _NEVER),
    ESME_ROPTPARNOTALLWD: Status("ESME_ROPTPARNOTALLWD", "an optional field is not allowed here", _NEVER),
    ESME_RINVPARLEN: Status("ESME_RINVPARLEN", "a field has a wrong length", _NEVER),
    ESME_RMISSINGOPTPARAM: Status("ESME_RMISSINGOPTPARAM", "an expected optional field is missing", _NEVER),
    ESME_RINVOPTPARAMVAL: Status("ESME_RINVOPTPARAMVAL", "an optional field has a bad value", _NEVER),
    ESME_RDELIVERYFAILURE: Status("ESME_RDELIVERYFAILURE", "delivery failed", _NEVER),
    ESME_RUNKNOWNERR: Status("ESME_RUNKNOWNERR", "unknown error", _LATER),
    ESME_RSERTYPUNAUTH: Status("ESME_RSERTYPUNAUTH", "not authorised for the service type", _NEVER),
    ESME_RPROHIBITED: Status("ESME_RPROHIBITED", "prohibited", _NEVER),
    ESME_RSERTYPUNAVAIL: Status("ESME_RSERTYPUNAVAIL", "the service type is unavailable", _LATER),
    ESME_RSERTYPDENIED: Status("ESME_RSERTYPDENIED", "the service type is denied", _NEVER),
    ESME_RINVDCS: Status("ESME_RINVDCS", "bad data coding", _NEVER),
    ESME_RINVSRCADDRSUBUNIT: Status("ESME_RINVSRCADDRSUBUNIT", "bad subunit of the source", _NEVER),
    ESME_RINVDSTADDRSUBUNIT: Status("ESME_RINVDSTADDRSUBUNIT", "bad subunit of the destination", _NEVER),
    ESME_RINVBCASTFREQINT: Status("ESME_RINVBCASTFREQINT", "bad broadcast interval", _NEVER),
    ESME_RINVBCASTALIAS_NAME: Status("ESME_RINVBCASTALIAS_NAME", "bad broadcast alias", _NEVER),
    ESME_RINVBCASTAREAFMT: Status("ESME_RINVBCASTAREAFMT", "bad broadcast area format", _NEVER),
    ESME_RINVNUMBCAST_AREAS: Status("ESME_RINVNUMBCAST_AREAS", "bad number of broadcast areas", _NEVER),
    ESME_RINVBCASTCNTTYPE: Status("ESME_RINVBCASTCNTTYPE", "bad broadcast content type", _NEVER),
    ESME_RINVBCASTMSGCLASS: Status("ESME_RINVBCASTMSGCLASS", "bad broadcast message class", _NEVER),
    ESME_RBCASTFAIL: Status("ESME_RBCASTFAIL", "broadcast failed", _NEVER),
    ESME_RBCASTQUERYFAIL: Status("ESME_RBCASTQUERYFAIL", "broadcast query failed", _NEVER),
    ESME_RBCASTCANCELFAIL: Status("ESME_RBCASTCANCELFAIL", "broadcast cannot be cancelled", _NEVER),
    ESME_RINVBCAST_REP: Status("ESME_RINVBCAST_REP", "bad number of broadcast repeats", _NEVER),
    ESME_RINVBCASTSRVGRP: Status("ESME_RINVBCASTSRVGRP", "bad broadcast service group", _NEVER),
    ESME_RINVBCASTCHANIND: Status("ESME_RINVBCASTCHANIND", "bad broadcast channel indicator", _NEVER),
}

# 0x400 to 0x4FF belong to the vendor (5.1.3); nobody can tell their nature in general.
VENDOR_FIRST: Final = 0x400
VENDOR_LAST: Final = 0x4FF


def name(status: int) -> str:
    """The standard's name of a status, or its number in hex."""
    row = STATUSES.get(status)
    return row.name if row else f"0x{status:08X}"


def meaning(status: int) -> str:
    """One line of English for a status."""
    row = STATUSES.get(status)
    if row:
        return row.meaning
    return "an error of the vendor" if VENDOR_FIRST <= status <= VENDOR_LAST else "a reserved status"


def nature(status: int) -> Nature:
    """What to do about a status; vendor and reserved ones count as permanent, so that nothing is sent for ever."""
    row = STATUSES.get(status)
    return row.nature if row else Nature.PERMANENT


def is_throttling(status: int) -> bool:
    """Whether the peer asks us to slow down (the message itself is fine)."""
    return nature(status) is Nature.THROTTLED


def is_temporary(status: int) -> bool:
    """Whether the same message may be accepted later (throttling included)."""
    return nature(status) in (Nature.TEMPORARY, Nature.THROTTLED)


def is_permanent(status: int) -> bool:
    """Whether sending the same message again is pointless."""
    return nature(status) is Nature.PERMANENT

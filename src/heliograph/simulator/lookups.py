"""What the simulated carrier tells of a subscriber when it is asked by HLR (vendor optional fields 0x1400 to 0x1407, our choice)."""

from __future__ import annotations

from typing import Final, NamedTuple

from .behaviour import draws

TAG_IMSI: Final = 0x1400
TAG_MSC: Final = 0x1401
TAG_MCC: Final = 0x1402
TAG_MNC: Final = 0x1403
TAG_CN: Final = 0x1404
TAG_NET: Final = 0x1405
TAG_RCN: Final = 0x1406
TAG_RNET: Final = 0x1407

# A submit_sm of this service_type with an empty text is a HLR query.
SERVICE_TYPE: Final = "HLR"


class Network(NamedTuple):
    """A network: digits its numbers begin with, mobile country and network codes, country, operator, first digits of its centres."""

    prefix: str
    mcc: str
    mnc: str
    country: str
    operator: str
    centre: str


# Public numbering facts (ITU-T E.212); a handful is enough for a carrier that does not exist.
NETWORKS: Final = (
    Network("7999", "250", "11", "Russia", "Yota", "79990"),
    Network("791", "250", "01", "Russia", "MTS", "79168"),
    Network("792", "250", "02", "Russia", "MegaFon", "79262"),
    Network("790", "250", "99", "Russia", "Beeline", "79037"),
    Network("777", "401", "01", "Kazakhstan", "Beeline", "77770"),
    Network("77", "401", "02", "Kazakhstan", "Kcell", "77010"),
    Network("7", "250", "20", "Russia", "Tele2", "79043"),
    Network("375", "257", "02", "Belarus", "MTS", "37529"),
    Network("49", "262", "01", "Germany", "Telekom", "49171"),
)
_ELSEWHERE: Final = Network("", "901", "01", "International", "Satellite", "88165")
_ROAMING: Final = 0.05


def look_up(number: str, seed: int = 1) -> dict[int, bytes]:
    """The vendor optional fields for a number, as C-octet strings; always the same ones for the same number and seed.

    One number in twenty roams: `rcn` and `rnet` then name the country and network it visits, else they are empty.
    """
    number = number.removeprefix("+")
    home = next((network for network in NETWORKS if number.startswith(network.prefix)), _ELSEWHERE)
    luck = draws(seed, number, -1)
    visited = NETWORKS[int(luck[1] * len(NETWORKS))] if luck[0] < _ROAMING else home
    roams = visited.country != home.country
    values = {
        TAG_IMSI: home.mcc + home.mnc + f"{int(luck[2] * 10**10):010d}",
        TAG_MSC: visited.centre + f"{int(luck[3] * 10**6):06d}",
        TAG_MCC: home.mcc,
        TAG_MNC: home.mnc,
        TAG_CN: home.country,
        TAG_NET: home.operator,
        TAG_RCN: visited.country if roams else "",
        TAG_RNET: visited.operator if roams else "",
    }
    return {tag: value.encode("latin-1") + b"\0" for tag, value in values.items()}

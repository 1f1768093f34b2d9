"""get_price: what an account pays (seeds 000 and 003, "Request for rates"; spec management 6.3)."""

from collections.abc import Iterable, Mapping

from heliograph.api.call import Call
from heliograph.api.operation import Operation, Pace
from heliograph.api.shapes import Field, Place, Record, Rows, Sections
from heliograph.core.money import format_money
from heliograph.core.tariffs import Prices, Zone

_AMOUNTS = (
    Field("api", help="A part of a text sent through the API", place=Place.ATTRIBUTE),
    Field("mass", help="A part of a text sent from the personal account", place=Place.ATTRIBUTE),
    Field("mms", help="An MMS, 0 when there are none", place=Place.ATTRIBUTE),
    Field("hlr", help="An HLR query", place=Place.ATTRIBUTE),
    Field("call", help="A voice message, 0 when there are none", place=Place.ATTRIBUTE),
)
ZONE = Record(
    root="zone",
    fields=(
        Field("zone", help="Number of the zone", place=Place.BODY),
        Field("name", help="Name of the zone", place=Place.ATTRIBUTE),
        *_AMOUNTS,
    ),
)
CODE = Record(
    root="mccmnc",
    fields=(
        Field("mccmnc", help="Country and network code of an operator with a price of its own", place=Place.BODY),
        Field("cost", help="A part of a text to that operator", place=Place.ATTRIBUTE),
    ),
)
PRICES = Sections(
    head=Record(root="price", fields=()),
    lists=(("zones", Rows("zones", ZONE)), ("codes", Rows("codes", CODE))),
    tail=(Field("mail", help="An e-mail, 0 when there are none"),),
)


def handle(call: Call) -> None:
    """Answers from memory."""
    tariff = call.services.tariffs.tariff_of(call.account)
    if tariff is None:
        call.answer(PRICES, {"zones": (), "codes": (), "mail": "0"})
        return
    call.answer(
        PRICES,
        {
            "zones": describe_zones(tariff.zones),
            "codes": describe_codes(tariff.codes),
            "mail": format_money(tariff.mail),
        },
    )


def describe_zones(zones: Iterable[Zone]) -> list[dict[str, str]]:
    """The values of the zones, by number."""
    return [
        {"zone": str(zone.zone), "name": zone.name, **_describe_prices(zone.prices)}
        for zone in sorted(zones, key=lambda zone: zone.zone)
    ]


def describe_codes(codes: Mapping[str, Prices]) -> list[dict[str, str]]:
    """The values of operators' own prices, by MCC and MNC."""
    return [{"mccmnc": mccmnc, "cost": format_money(prices.sms)} for mccmnc, prices in sorted(codes.items())]


def _describe_prices(prices: Prices) -> dict[str, str]:
    """``mass`` and ``hlr`` fall back to ``sms``; a kind that nobody priced is not offered, and told as 0."""
    return {
        "api": format_money(prices.sms),
        "mass": format_money(prices.sms if prices.mass is None else prices.mass),
        "mms": format_money(prices.mms or 0),
        "hlr": format_money(prices.sms if prices.hlr is None else prices.hlr),
        "call": format_money(prices.call or 0),
    }


OPERATIONS = (
    Operation(
        name="get_price",
        page="get",
        flag="get_price",
        title="Prices",
        help="Tells the prices of the account's tariff: zones, operators with prices of their own, e-mail.",
        handler=handle,
        parameters=(),
        replies=(("prices", PRICES),),
        errors=((1, "No action is named"),),
        limits=("3 requests a minute",),
        # The reference says three identical ones; no parameter changes what is answered, so all of them are.
        paces=(Pace(limit=3, identical=False),),
    ),
)

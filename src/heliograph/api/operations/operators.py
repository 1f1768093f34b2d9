"""get_operator: country, operator and region of numbers (seed 000, "Getting information about the operator").

By the number's range: a number that was ported keeps the operator that it came from.
"""

from collections.abc import Callable

from heliograph.api.call import Call
from heliograph.api.inputs import Parameter
from heliograph.api.operation import Operation, Pace
from heliograph.api.shapes import Field, Record, Rows
from heliograph.core.ranges import Place
from heliograph.core.reasons import Reason, Refused

# A number is looked up within 2 µs. Rows are written in portions, but whether there is one to write is asked at once: 2 ms.
MAX_NUMBERS = 1000

PHONE = Parameter("phone", "Number, or a comma list; a comma makes the reply a list", required=True)

_PHONE = Field("phone", help="Number as it was asked for")
_FIELDS = (
    Field("country", help="Country"),
    Field("operator", help="Operator by the number's range"),
    Field("region", help="Region"),
    Field("mcc", help="Code of the country"),
    Field("mnc", help="Code of the operator; 0 when it is not known"),
    Field("tz", help="Hours east of UTC there, in standard time"),
)
INFO = Record(root="info", fields=_FIELDS)
INFO_LIST = Rows("list", Record(root="info", fields=(_PHONE, *_FIELDS)))

_NOTHING = {field.key: "" for field in _FIELDS}


def handle(call: Call) -> None:
    """Answers from memory."""
    phones = PHONE.text(call.params)
    # Before they are parted: a body of many megabytes is refused as quickly as a short one.
    commas = phones.count(",")
    items = [item for part in phones.split(",") if (item := part.strip())] if commas <= MAX_NUMBERS else []
    if commas > MAX_NUMBERS or len(items) > MAX_NUMBERS:
        raise Refused(Reason.BAD_PARAMETERS, f"more than {MAX_NUMBERS} numbers")
    if not items:
        raise Refused(Reason.BAD_PARAMETERS, "phone is missing")
    normalize, look_up = call.services.normalize, call.services.places.look_up
    if not any((phone := normalize(item)) and (place := look_up(phone)) and place.operator for item in items):
        raise Refused(Reason.NOT_FOUND)
    if "," in phones:
        call.answer_list(INFO_LIST, items, _describe)
    else:
        call.answer(INFO, _describe(call, items[0]))


def _describe(call: Call, typed: str) -> dict[str, str]:
    services = call.services
    found = find(typed, services.normalize, services.places.look_up, call.account.settings.english)
    found["phone"] = typed
    return found


def find(
    typed: str, normalize: Callable[[str], str | None], look_up: Callable[[str], Place | None], english: bool
) -> dict[str, str]:
    """What is known of a number as people type it, by key; empty texts for the rest.

    ``operator`` and ``mnc`` are empty when no table names the operator, everything when the number is none.
    """
    phone = normalize(typed)
    place = None if phone is None else look_up(phone)
    if place is None:
        return dict(_NOTHING)
    return {
        "country": place.country_in(english),
        "operator": place.operator,
        "region": place.region_in(english),
        "mcc": place.mcc,
        "mnc": place.mnc if place.operator else "",
        "tz": f"{place.tz / 60:g}",
    }


OPERATIONS = (
    Operation(
        name="get_operator",
        page="info",
        flag="get_operator",
        title="Operator of a number",
        help="Tells country, operator, region and time zone of numbers, by their ranges.",
        handler=handle,
        parameters=(PHONE,),
        replies=(("one number", INFO), ("a comma in phone", INFO_LIST)),
        errors=((1, "Missing or bad parameter"), (3, "No operator was found for any of the numbers")),
        limits=(
            "3 identical requests a minute",
            "100 requests a minute, each with any count of numbers",
            f"{MAX_NUMBERS} numbers in one request",
        ),
        paces=(Pace(limit=3), Pace(limit=100, identical=False)),
        words={Reason.NOT_FOUND: (3, "operator not found")},
    ),
)

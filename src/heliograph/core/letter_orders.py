"""The one line by which a letter orders texts: login, password, id, time, options, numbers, text (spec protocols 4.2, 4.3)."""

from typing import NamedTuple

from heliograph.core.reasons import Reason, Refused

FORMATS: dict[str, dict[str, str]] = {
    "0": {},
    "1": {"flash": "1"},
    "2": {"push": "1"},
    "3": {"hlr": "1"},
    "4": {"bin": "1"},
    "5": {"bin": "2"},
    "6": {"ping": "1"},
    "7": {"mms": "1"},
    "8": {"mail": "1"},
    "9": {"call": "1"},
    "10": {"viber": "1"},
    "11": {"soc": "1"},
}
"""Channel codes of the letter's ``format`` as parameters of send."""

_FORM = "the form is login:psw:id:time,tz:translit,format,sender,test:phones:mes"


class Order(NamedTuple):
    """Who orders (an empty login: ``psw`` is an API key), and what, as the parameters of send by HTTP."""

    login: str
    psw: str
    params: dict[str, str]


def parse_order(text: str) -> Order:
    """The order in a letter's text; raises Refused(BAD_PARAMETERS), whose detail holds nothing of the text."""
    fields = text.split(":", 5)
    if len(fields) < 6:
        raise Refused(Reason.BAD_PARAMETERS, _FORM)
    login, psw, id_, when, options, rest = fields
    params: dict[str, str] = {}
    if id_.strip():
        params["id"] = id_.strip()
    time, _, zone = when.partition(",")
    params |= {name: value.strip() for name, value in (("time", time), ("tz", zone)) if value.strip()}
    _read_options(options, params)
    _read_rest(rest, params)
    return Order(login.strip(), psw.strip(), params)


def _read_options(text: str, params: dict[str, str]) -> None:
    """``translit,format,sender,test``: what is missing at the end has its default."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 4:
        raise Refused(Reason.BAD_PARAMETERS, "more than translit,format,sender,test")
    translit, channel, sender, test = (*parts, "", "", "", "")[:4]
    if translit:
        params["translit"] = translit
    if channel:
        chosen = FORMATS.get(channel)
        if chosen is None:
            raise Refused(Reason.BAD_PARAMETERS, "format is 0 to 11")
        params.update(chosen)
    if sender:
        params["sender"] = sender
    if test:
        params["test"] = test


def _read_rest(rest: str, params: dict[str, str]) -> None:
    """Numbers and a text, or (an empty field of numbers) a list of records with texts of their own."""
    phones, colon, mes = rest.partition(":")
    if phones.strip():
        params["phones"] = phones.strip()
        params["mes"] = mes
    elif colon and mes.strip():
        params["list"] = mes.strip("\n")
    else:
        raise Refused(Reason.BAD_PARAMETERS, "phones is missing")

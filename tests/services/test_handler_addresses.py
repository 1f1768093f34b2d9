"""Which handler addresses an account may have (services/account_settings.py): what no callback could reach is refused at once."""

import pytest

from heliograph.callbacks.plans import parse_plan
from heliograph.core.accounts import Settings
from heliograph.core.reasons import Refused
from heliograph.services.account_settings import parse_settings


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://h",
        "HTTPS://Shop.Example:8443/cb!tok=9?charset=utf-8#x",
        "http://name:pa%20ss@h/a",
        "http://[2001:db8::1]:81/?a",
        "https://пример.рф/путь?т=да нет",
        " http://h?b ",
    ],
)
def test_address_that_can_be_called_is_taken(url: str) -> None:
    """As the customer writes it."""
    assert parse_settings(Settings(), {"callback_url": url}).callback_url.strip() == url.strip()
    if url:
        parse_plan(url)


@pytest.mark.parametrize(
    "url",
    [
        "shop.example",
        "ftp://h/",
        "http:///a",
        "http://:80/",
        "http://h:port/",
        "http://a b/",
        "http://h/\r\nX: y",
        "http://[::1/",
    ],
)
def test_address_that_cannot_be_called_is_refused(url: str) -> None:
    """Else every piece of news would be dropped, one by one, where only the message's story tells of it."""
    with pytest.raises(Refused, match="callback_url"):
        parse_settings(Settings(), {"callback_url": url})

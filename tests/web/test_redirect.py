"""The redirect's answers: who is counted, which hosts and paths are short links, what stands in the header."""

from collections.abc import Callable
from typing import Any

import pytest

from heliograph.api.request import Request, Response
from heliograph.gateways.http_answer import render
from heliograph.web.redirect import Redirect

URL = "http://сайт.рф/путь?q=a b"
PHONES = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 12; CUBOT X70) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; arm_64; Android 13) AppleWebKit/537.36 Chrome/118.0 YaBrowser/23.11 SA/3 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) [FBAN/FBIOS;FBAV/450]",
    "",
]
PROGRAMS = [
    "WhatsApp/2.23.20.0",
    "TelegramBot (like TwitterBot)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Twitterbot/1.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)",
    "Viber/13.9.1",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "SomeCrawler/1",
    "baiduspider",
    "Link Preview Service",
]


class Follows:
    """Notes who asks and answers the same to all."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.asked: list[tuple[str, bool]] = []

    def follow(self, code: str, counted: bool, now_ms: int, done: Callable[[str | None], None]) -> None:
        self.asked.append((code, counted))
        done(self.url)


def ask(redirect: Redirect, path: str, method: str = "GET", **headers: str) -> Response:
    """The answer to a request."""
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    answers: list[Any] = []
    redirect(Request(method, path, headers=named, received_ns=5_000_000), answers.append)
    (answer,) = answers
    assert isinstance(answer, Response)
    return answer


def test_the_address_is_a_header_in_ascii() -> None:
    """Also for Cyrillic domains and paths; browsers come again for each click."""
    answer = ask(Redirect(Follows(URL)), "/r/AbCd123")
    assert answer.status == 302
    assert dict(answer.headers) == {
        b"Location": b"http://xn--80aswg.xn--p1ai/%D0%BF%D1%83%D1%82%D1%8C?q=a%20b",
        b"Cache-Control": b"no-store",
    }


def test_line_ends_never_reach_the_header() -> None:
    """Whatever an address in the store holds."""
    answer = ask(Redirect(Follows("http://a.ru/\r\nSet-Cookie: x\u2028")), "/r/AbCd123")
    assert dict(answer.headers)[b"Location"] == b"http://a.ru/%0D%0ASet-Cookie:%20x%E2%80%A8"
    assert render(answer, "1.1", True, False).count(b"\r\n") == 6


@pytest.mark.parametrize("agent", PHONES)
def test_people_are_counted(agent: str) -> None:
    """Whatever their phones are called."""
    follows = Follows(URL)
    assert ask(Redirect(follows), "/r/AbCd123", user_agent=agent).status == 302
    assert follows.asked == [("AbCd123", True)]


@pytest.mark.parametrize("agent", PROGRAMS)
def test_previews_are_redirected_and_not_counted(agent: str) -> None:
    """A messenger that shows what is behind a link has no eyes."""
    follows = Follows(URL)
    assert ask(Redirect(follows), "/r/AbCd123", user_agent=agent).status == 302
    assert follows.asked == [("AbCd123", False)]


def test_head_and_prefetch_are_not_counted() -> None:
    """Nobody has clicked."""
    follows = Follows(URL)
    redirect = Redirect(follows)
    assert ask(redirect, "/r/AbCd123", "HEAD").status == 302
    assert ask(redirect, "/r/AbCd123", sec_purpose="prefetch;prerender").status == 302
    assert follows.asked == [("AbCd123", False)] * 2


def test_what_is_unknown_is_404_and_a_store_away_503() -> None:
    """A 503 is not remembered by anybody; nothing of the request stands in a page."""
    assert ask(Redirect(Follows("")), "/r/AbCd123").status == 404
    assert ask(Redirect(Follows(None)), "/r/AbCd123").status == 503
    follows = Follows(URL)
    for path in ("/r/", "/r/short", "/r/AbCd1234", "/r/AbCd123/more", "/r/AbCd12é", "/r/<script>"):
        answer = ask(Redirect(follows), path)
        assert (answer.status, answer.body) == (404, b"404: there is no such link\n")
    assert ask(Redirect(follows), "/r/AbCd123", "POST").status == 405
    assert follows.asked == []


@pytest.mark.parametrize(
    ("base", "host", "path", "known"),
    [
        ("https://s.example.ru/", "s.example.ru", "/AbCd123", True),
        ("https://s.example.ru/", "S.Example.ru", "/AbCd123/", True),
        ("http://s.example.ru/", "s.example.ru:80", "/AbCd123", True),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080", "/AbCd123", True),
        ("https://s.example.ru/", "other.ru", "/AbCd123", False),
        ("https://s.example.ru/", "", "/AbCd123", False),
        ("https://s.example.ru/", "s.example.ru", "/AbCd12", False),
        ("https://s.example.ru/", "s.example.ru", "/live/static", False),
        ("https://sms.example.ru/r/", "sms.example.ru", "/AbCd123", False),
        ("", "", "/AbCd123", False),
        ("", "anything", "/r/AbCd123", True),
        ("https://s.example.ru/", "other.ru", "/r/AbCd123", True),
    ],
)
def test_bare_codes_belong_to_the_short_domain_alone(base: str, host: str, path: str, known: bool) -> None:
    """Other pages of the program keep their addresses on other hosts."""
    request = Request("GET", path, headers={b"host": host.encode()} if host else {})
    assert Redirect(Follows(URL), base).knows(request) is known

"""The page with the picture: what comes back, in which size, and what it refuses."""

import asyncio
import wave
from io import BytesIO

import pytest
from PIL import Image

from heliograph.api.request import Answer, Request, Response
from heliograph.services.captchas import KEPT, PICTURES, Captchas
from heliograph.web import imgcode
from heliograph.web.imgcode import Pictures, read_size

NOW = 1_790_000_000_000


def request(query: str = "1.1", method: str = "GET") -> Request:
    """What the page's <img> asks."""
    return Request(method, imgcode.PATH, query.encode(), client="192.0.2.1", received_ns=NOW * 1_000_000)


def ask(pictures: Pictures, *requests: Request) -> list[Response]:
    """The answers, in the order in which they came."""

    async def story() -> list[Response]:
        answers: list[Answer] = []
        for each in requests:
            pictures(each, answers.append)
        async with asyncio.timeout(10):
            while len(answers) < len(requests):
                await asyncio.sleep(0.002)
        return [answer for answer in answers if isinstance(answer, Response)]

    return asyncio.run(story())


def test_page_is_a_fresh_picture_of_the_size_in_the_reference() -> None:
    """Sites have width=50 height=18 in their pages and put any query behind the address."""
    captchas = Captchas()
    (answer,) = ask(Pictures(captchas), request("1.1111"))
    assert (answer.status, answer.content_type) == (200, b"image/png")
    assert (b"Cache-Control", b"no-store") in answer.headers
    assert Image.open(BytesIO(answer.body)).size == (50, 18)
    assert len(captchas) == 1


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({}, (50, 18)),
        ({"big": "1"}, (200, 72)),
        ({"big": "0"}, (50, 18)),
        ({"w": "100"}, (100, 36)),
        ({"h": "36"}, (100, 36)),
        ({"w": "120", "h": "60"}, (120, 60)),
        ({"w": "9999", "h": "9999"}, (400, 144)),
        ({"w": "1", "h": "1"}, (50, 18)),
        ({"w": "-5", "h": "x"}, (50, 18)),
        ({"w": "99999999"}, (50, 18)),
    ],
)
def test_size_is_kept_within_bounds(asked: dict[str, str], size: tuple[int, int]) -> None:
    """A wish for a poster must not cost a second of work."""
    assert read_size(asked) == size


def test_bigger_picture_has_the_asked_size() -> None:
    """Also where it is wider than it was drawn."""
    image = imgcode.draw("48253", 400, 100)
    assert Image.open(BytesIO(image)).size == (400, 100)


def test_code_is_spoken_on_request() -> None:
    """For whom a picture is no use."""
    captchas = Captchas()
    pictures = Pictures(captchas)
    (answer,) = ask(pictures, request("sound=1"))
    assert (answer.status, answer.content_type) == (200, b"audio/wav")
    with wave.open(BytesIO(answer.body)) as sound:
        assert sound.getnframes() / sound.getframerate() > 4
    assert len(captchas) == 1
    assert ask(pictures, request("sound=1"))[0].status == 503  # the second within a second: it is costly
    assert len(captchas) == 1


def test_look_without_a_body_uses_nothing_up() -> None:
    """Link checkers ask so."""
    captchas = Captchas()
    (answer,) = ask(Pictures(captchas), request(method="HEAD"))
    assert (answer.status, answer.body, len(captchas)) == (200, b"", 0)
    assert ask(Pictures(captchas), request(method="POST"))[0].status == 405


def test_too_many_pictures_are_429_and_a_full_queue_is_503() -> None:
    """Work is bounded for one address and in all; a refusal says why and when to come again."""
    captchas = Captchas()
    pictures = Pictures(captchas)
    answers = ask(pictures, *(request() for _ in range(PICTURES + 1)))
    assert sorted(answer.status for answer in answers) == [200] * PICTURES + [429]
    refused = answers[0]
    assert refused.body == b"429: too many pictures for this address, wait a minute\n"
    assert b"Retry-After" in dict(refused.headers)
    assert len(captchas) == KEPT
    others = [
        Request("GET", imgcode.PATH, client=f"198.51.100.{n}", received_ns=NOW * 1_000_000)
        for n in range(imgcode.MOST_WAITING + 1)
    ]
    assert [answer.status for answer in ask(pictures, *others)].count(503) == 1


@pytest.mark.parametrize("query", ["%ff%fe", "&".join("a=1" for _ in range(500)), "w=1;w=2", "=", "big=1&big=0"])
def test_any_query_gets_a_picture(query: str) -> None:
    """The reference says that the query only keeps browsers from showing an old one."""
    assert ask(Pictures(Captchas()), request(query))[0].status == 200

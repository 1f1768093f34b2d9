"""The picture that keeps robots from a customer's form, drawn or spoken (seed 001, "Connecting anti-spam verification").

No login: the viewer is the customer's own user. Pictures are made in one thread, beside the loop.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from io import BytesIO
from urllib.parse import parse_qs

from captcha.audio import AudioCaptcha
from captcha.image import ImageCaptcha
from PIL.Image import Resampling
from PIL.ImageOps import autocontrast

from heliograph.api.request import TEXT, Reply, Request, Response
from heliograph.core.limits import Rate
from heliograph.services.captchas import Captchas

PATH = "/sys/imgcode.php"
SIZE, BIG = (50, 18), (200, 72)
WIDEST, TALLEST = 400, 144
MOST_WAITING = 64  # pictures of some 4 ms: nobody waits for longer than a quarter of a second
# A spoken code takes 150 ms of a thread that shares the interpreter with the loop.
SPOKEN = 1.0  # a second, for everybody together
_FRESH = ((b"Cache-Control", b"no-store"), (b"X-Content-Type-Options", b"nosniff"))
_AGAIN = (b"Retry-After", b"10")
_METHOD = Response(405, TEXT, b"405: GET\n", ((b"Allow", b"GET, HEAD"),))
_TOO_MANY = Response(429, TEXT, b"429: too many pictures for this address, wait a minute\n", (*_FRESH, _AGAIN))
_BUSY = Response(503, TEXT, b"503: too many pictures are being made, try again\n", (*_FRESH, _AGAIN))


class Pictures:
    """The application of the page."""

    def __init__(self, captchas: Captchas) -> None:
        self._captchas = captchas
        self._worker = ThreadPoolExecutor(1, "captcha")
        self._waiting = 0
        self._spoken = Rate(SPOKEN, 0)

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answers exactly once; needs a running event loop."""
        if request.method not in ("GET", "HEAD"):
            reply(_METHOD)
            return
        asked = {name: values[-1] for name, values in _read(request.query).items()}
        spoken = asked.get("sound", "0") not in ("", "0")
        kind = b"audio/wav" if spoken else b"image/png"
        if request.method == "HEAD":  # a look that shows nothing uses up nothing
            reply(Response(200, kind, b"", _FRESH))
            return
        now_ms = request.received_ns // 1_000_000
        if self._waiting >= MOST_WAITING or (spoken and not self._spoken.take(now_ms)):
            reply(_BUSY)
            return
        code = self._captchas.make(request.client, now_ms)
        if code is None:
            reply(_TOO_MANY)
            return
        self._waiting += 1
        work: Callable[[], bytes] = partial(speak, code) if spoken else partial(draw, code, *read_size(asked))
        made = asyncio.get_running_loop().run_in_executor(self._worker, work)
        made.add_done_callback(lambda future: self._finish(future, kind, reply))

    def _finish(self, future: "asyncio.Future[bytes]", kind: bytes, reply: Reply) -> None:
        self._waiting -= 1
        if future.cancelled() or future.exception() is not None:
            reply(_BUSY)
        else:
            reply(Response(200, kind, future.result(), _FRESH))

    def close(self) -> None:
        """Make no more pictures."""
        self._worker.shutdown(wait=False, cancel_futures=True)


def read_size(asked: dict[str, str]) -> tuple[int, int]:
    """Width and height: those of the reference's page, four times as large with big=1, or w and h within bounds."""
    width, height = BIG if asked.get("big", "0") not in ("", "0") else SIZE
    given = [_number(asked.get("w", "")), _number(asked.get("h", ""))]
    if any(given):
        # One alone keeps the shape.
        wide = given[0] or round((given[1] or 0) * SIZE[0] / SIZE[1])
        tall = given[1] or round(wide * SIZE[1] / SIZE[0])
        width = min(max(wide, SIZE[0]), WIDEST)
        height = min(max(tall, SIZE[1]), TALLEST)
    return width, height


def draw(code: str, width: int, height: int) -> bytes:
    """A PNG of the code; drawn large and made smaller, for the digits would be blots otherwise. Some 4 ms."""
    # The package blends ink by its lightness: dark ink would come out pale.
    red, green, blue = (100 + secrets.randbelow(60) for _ in range(3))
    image = _painter().generate_image(code, fg_color=(red, green, blue, 255))
    if image.size != (width, height):
        image = autocontrast(image.resize((width, height), Resampling.LANCZOS), cutoff=(2, 0))
    out = BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()


def speak(code: str) -> bytes:
    """A WAV, 8 bit mono 8 kHz, of the code in English over noise; some ten seconds of sound."""
    return bytes(_speaker().generate(code))


@cache
def _painter() -> ImageCaptcha:
    return ImageCaptcha(*BIG, font_sizes=(50, 56, 62))


@cache
def _speaker() -> AudioCaptcha:
    return AudioCaptcha()


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0


def _read(query: bytes) -> dict[str, list[str]]:
    """The query; what cannot be read says nothing, for any query is allowed here."""
    try:
        return parse_qs(query.decode("latin-1")[:1000], max_num_fields=20)
    except ValueError:
        return {}

"""The live page of the demo: texts as they move, the balance and a form to send one (design section 2; events: web/feed.py).

It works without JavaScript as a form and a list; with it the list moves. It has no sign-in, so it is for the demo only;
the form takes posts from its own page alone (Fetch Metadata and Origin: https://www.w3.org/TR/fetch-metadata/).
"""

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from heliograph.api.forms import ParamError, read_fields
from heliograph.api.request import HTML, JSON, Reply, Request, Response, Stream, plain, redirect
from heliograph.core.accounts import Account
from heliograph.core.messages import Accepted, Door, Recipient, Submission
from heliograph.core.numbers import parse_recipients
from heliograph.core.reasons import Reason, Refusal
from heliograph.services.desk import Desk
from heliograph.services.inbound import Incoming
from heliograph.services.submit import Submitting
from heliograph.web.feed import Feed
from heliograph.web.page import Form, Notice, Page
from heliograph.web.rows import show_money

log = logging.getLogger(__name__)

STATIC = "/live/static/"
# Everything comes from here; no script and no style stands in the page itself.
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SAFE = (
    (b"Content-Security-Policy", POLICY),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    # "no-referrer" would make the form's own Origin "null".
    (b"Referrer-Policy", b"same-origin"),
)
_FRESH = (*_SAFE, (b"Cache-Control", b"no-store"))
# The page names each file with a hash of what is in it.
_KEPT = (*_SAFE, (b"Cache-Control", b"public, max-age=31536000, immutable"))
_EVENTS = (*_SAFE, (b"Cache-Control", b"no-store"), (b"X-Accel-Buffering", b"no"))
_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")
_PHONE = re.compile(r"\+?[0-9]{1,20}")


class LivePage:
    """The application (`api.request.App`) behind `/` and `/live/`.

    `account_id` is whose texts are shown and sent; `clock_ms` gives milliseconds since the epoch; `hints` are numbers of
    the simulated carrier with what they do; `curl` is a command line that sends a text by the API, signed in with the
    account's login and `password`.
    """

    def __init__(
        self,
        account_id: int,
        desk: Desk,
        submitting: Submitting,
        incoming: Incoming,
        clock_ms: Callable[[], int],
        *,
        hints: Sequence[tuple[str, str]] = (),
        curl: str = "",
        password: str = "demo",  # noqa: S107 - shown on the page, it is that of the demo
    ) -> None:
        self._account_id = account_id
        self._desk = desk
        self._submitting = submitting
        self._clock_ms = clock_ms
        self._page = Page(hints, curl, password)
        self._tasks: set[asyncio.Task[None]] = set()
        self.feed = Feed(account_id, desk, incoming)

    def knows(self, path: str) -> bool:
        """Whether a path is this page's, for a door that also has other pages."""
        return path == "/" or path.startswith("/live/")

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answers once, now or later."""
        if request.path == "/live/send":
            self._method(request, reply, ("POST",), self._send)
        elif request.path == "/":
            self._method(request, reply, ("GET", "HEAD"), self._show)
        elif request.path == "/live/events":
            self._method(request, reply, ("GET", "HEAD"), self._stream)
        elif request.path.startswith(STATIC):
            self._method(request, reply, ("GET", "HEAD"), self._give_file)
        else:
            reply(Response(404, HTML, b"<!doctype html><title>404</title><p>There is no such page.\n", _FRESH))

    def _method(
        self, request: Request, reply: Reply, allowed: tuple[str, ...], then: Callable[[Request, Reply], None]
    ) -> None:
        if request.method in allowed:
            then(request, reply)
        else:
            words = f"{' and '.join(allowed)} only\n".encode()
            reply(Response(405, b"text/plain; charset=utf-8", words, ((b"Allow", ", ".join(allowed).encode()), *_SAFE)))

    # --- the page

    def _show(self, request: Request, reply: Reply) -> None:
        fields: dict[str, str] = {}
        try:
            read_fields(request.query, "utf-8", fields)
        except ParamError:
            fields = {}
        notice = None
        if _ID.fullmatch(fields.get("sent", "")):
            notice = Notice(True, f"Text {fields['sent']} is accepted.")
        phone = fields.get("phone", "")
        form = Form(phone=phone if _PHONE.fullmatch(phone) else "")
        self._spawn(self._render(reply, form, notice))

    async def _render(self, reply: Reply, form: Form, notice: Notice | None, status: int = 200) -> None:
        try:
            lines = await self.feed.load()
            snapshot = self._desk.snapshots.current
            account = snapshot.accounts[self._account_id]
            senders = sorted(snapshot.senders.get(account.id, ()))
            body = self._page.render(account, lines, self.feed.balance(), senders, form, notice)
        except Exception:
            log.exception("live_page_failed")
            reply(plain("The page cannot be shown now; the log says why.\n", 500))
            return
        reply(Response(status, HTML, body, _FRESH))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _give_file(self, request: Request, reply: Reply) -> None:
        file = self._page.files.get(request.path.removeprefix(STATIC))
        reply(Response(200, file.content_type, file.body, _KEPT) if file else plain("There is no such file.\n", 404))

    def _stream(self, request: Request, reply: Reply) -> None:
        reader = self.feed.open()
        if reader is None:
            reply(plain("Too many pages are open.\n", 503))
        else:
            reply(Stream(reader, headers=_EVENTS))

    # --- the form

    def _send(self, request: Request, reply: Reply) -> None:
        if not is_own(request):
            reply(plain("This form takes posts from its own page only. Programs use the API.\n", 403))
            return
        fields: dict[str, str] = {}
        try:
            read_fields(request.body, "utf-8", fields)
        except ParamError as error:
            self._refuse(request, reply, Form(), Refusal(Reason.BAD_PARAMETERS, str(error)))
            return
        form = Form(fields.get("phone", "").strip(), fields.get("text", ""), fields.get("sender", "").strip())
        account = self._desk.snapshots.current.accounts.get(self._account_id)
        if account is None or account.settings.blocked:
            self._refuse(request, reply, form, Refusal(Reason.ACCOUNT_BLOCKED))
            return

        def done(answer: Accepted | Refusal) -> None:
            if isinstance(answer, Refusal):
                self._refuse(request, reply, form, answer)
            else:
                self._confirm(request, reply, account, answer)

        self._submitting.accept(account, read_submission(form, request.client), self._clock_ms(), done)

    def _confirm(self, request: Request, reply: Reply, account: Account, accepted: Accepted) -> None:
        if not _wants_json(request):
            reply(redirect(f"/?sent={accepted.id}"))
            return
        parts = "1 part" if accepted.parts == 1 else f"{accepted.parts} parts"
        words = f"Text {accepted.id} is accepted: {parts}, {show_money(accepted.cost)} {account.currency}."
        reply(_json({"id": accepted.id, "words": words, "balance": show_money(accepted.balance)}))

    def _refuse(self, request: Request, reply: Reply, form: Form, refusal: Refusal) -> None:
        words = f"Not sent: {refusal.detail or refusal.reason.value}."
        if _wants_json(request):
            reply(_json({"error": refusal.reason.name, "words": words}, 422))
        else:
            # What was typed is still in the form.
            self._spawn(self._render(reply, form, Notice(False, words), 422))


def read_submission(form: Form, client: str) -> Submission:
    """What the form says. A browser ends lines with CR LF; an empty sender is the account's own."""
    text = form.text.replace("\r\n", "\n")
    return Submission(
        recipients=tuple(Recipient(phone, text) for phone in parse_recipients(form.phone)),
        sender=form.sender or None,
        client=client,
        door=Door.WEB,
    )


def is_own(request: Request) -> bool:
    """Whether a post comes from a page of this very address: what the browser says of it must fit, and it must say it."""
    site = request.headers.get(b"sec-fetch-site")
    origin = request.headers.get(b"origin")
    if site is None and origin is None:
        return False
    if site is not None and site != b"same-origin":
        return False
    return origin is None or _host(origin) == request.headers.get(b"host", b"").decode("latin-1").lower()


def _host(origin: bytes) -> str | None:
    """Host and port of an Origin, None for "null" and what is none."""
    try:
        parts = urlsplit(origin.decode("latin-1"))
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in ("http", "https") and parts.netloc else None


def _wants_json(request: Request) -> bool:
    return b"application/json" in request.headers.get(b"accept", b"")


def _json(value: object, status: int = 200) -> Response:
    return Response(status, JSON, msgspec.json.encode(value), _FRESH)

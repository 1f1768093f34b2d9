"""Short links of accounts: made before a submission is decided, found again, counted (spec sending 4.4, seed 000 tinyurls)."""

import asyncio
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Mapping
from operator import itemgetter
from typing import Any

import msgspec

from heliograph.core.accounts import Account
from heliograph.core.links import (
    Codes,
    Counts,
    Found,
    Trails,
    code_pattern,
    find,
    find_periods,
    imagine,
    plain,
    replace,
)
from heliograph.core.messages import LINKED, Recipient, Submission
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.core.texts import COMMENT, split_comment
from heliograph.services.desk import Desk
from heliograph.store.database import Database, Step, StoreError

log = logging.getLogger(__name__)
Spawn = Callable[[Coroutine[Any, Any, None]], None]
Shortened = Submission | Refusal

MANY = 200  # recipients: finding and replacing the links of so many texts takes some 2 ms of the loop
PORTION = 400  # links in one transaction: some 5 ms of the writer
KEPT = 20_000  # links in memory, of some 300 bytes: who sends the same link again pays no query
MOST_ID = 2**63 - 1


class Line(msgspec.Struct, frozen=True):
    """A link in a list, with all its clicks."""

    id: int
    url: str
    short: str
    clicks: int
    created_ms: int


class Owner(msgspec.Struct, frozen=True):
    """Whose a code is: the account, its link, and the message of a recipient's own code (0: of none)."""

    login: str
    id: int
    url: str
    int_id: int


class _Wanted:
    """Links of one account that somebody waits for."""

    __slots__ = ("account_id", "future", "now_ms", "urls")

    def __init__(self, account_id: int, urls: list[str], now_ms: int) -> None:
        self.account_id = account_id
        self.urls = urls
        self.now_ms = now_ms
        self.future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()


class Links:
    """Shortens the links of submissions. ``base`` stands before a code; it is empty where there are no short links."""

    def __init__(self, desk: Desk, codes: Codes, base: str, spawn: Spawn) -> None:
        self.base = base
        self.codes = codes
        self._desk = desk
        self._spawn = spawn
        self._known: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._wanted: list[_Wanted] = []
        self._storing = False
        self._told = False

    # -- submissions ---------------------------------------------------------------
    def shorten(self, account: Account, submission: Submission, now_ms: int, done: Callable[[Shortened], None]) -> None:
        """The submission with short links, once they are on disk: ``done`` is called once, at once where all are known."""
        try:
            if not self._is_wanted(submission):
                done(msgspec.structs.replace(submission, shorten=False))
                return
        except Refused as refused:
            done(Refusal(refused.reason, refused.detail))
            return
        if len(submission.recipients) <= MANY:
            links = _find_all(submission, self.base)
            known = self._recall(account.id, links.urls)
            if len(known) == len(links.urls):
                done(self._rewrite(account, submission, links, known))
                return
            self._spawn(self._shorten(account, submission, now_ms, done, links))
        else:
            self._spawn(self._shorten(account, submission, now_ms, done, None))

    async def _shorten(
        self,
        account: Account,
        submission: Submission,
        now_ms: int,
        done: Callable[[Shortened], None],
        links: "_Links | None",
    ) -> None:
        """What takes long for many recipients (``links`` None: nothing is found yet) is done beside the loop."""
        result: Shortened
        try:
            if links is not None:
                ids = await self.take(account.id, links.urls, now_ms)
                result = self._rewrite(account, submission, links, ids)
            else:
                links = await asyncio.to_thread(_find_all, submission, self.base)
                ids = await self.take(account.id, links.urls, now_ms)
                result = await asyncio.to_thread(self._rewrite, account, submission, links, ids)
        except StoreError as error:
            log.error("links_not_stored", extra={"error": str(error)})
            result = Refusal(Reason.STORE_FULL)
        except Exception:
            log.exception("shortening_failed")
            result = Refusal(Reason.NOT_POSSIBLE)
        done(result)
        held = list(submission.recipients)
        del submission, result
        if links is not None:
            await links.clear(held)

    def imagine(self, submission: Submission) -> Submission:
        """For a price: codes of the right length that mean nothing, and nothing is stored. Raises Refused as ``shorten``
        refuses."""
        if not self._is_wanted(submission):
            return submission
        links = _find_all(submission, self.base)
        return _with_links(submission, links, {url: self.base + imagine(url) for url in links.urls}, None)

    def _is_wanted(self, submission: Submission) -> bool:
        if submission.kind not in LINKED:
            return False
        if self.base:
            return True
        if submission.shorten:
            raise Refused(Reason.BAD_PARAMETERS, "tinyurl: there are no short links here; the operator sets links.base")
        if not self._told:
            self._told = True
            log.warning("links_base_missing", extra={"setting": "short_links"})
        return False

    def _rewrite(self, account: Account, submission: Submission, links: "_Links", ids: Mapping[str, int]) -> Submission:
        codes = {url: self.codes.write(id_) for url, id_ in ids.items()}
        trails = None
        if account.settings.track_links and ids:
            trails = Trails(self.codes, self.base, {codes[url]: id_ for url, id_ in ids.items()})
        return _with_links(submission, links, {url: self.base + code for url, code in codes.items()}, trails)

    # -- rows ------------------------------------------------------------------------
    def _recall(self, account_id: int, urls: Iterable[str]) -> dict[str, int]:
        """Those that memory knows."""
        found = {}
        for url in urls:
            id_ = self._known.get((account_id, url))
            if id_ is not None:
                self._known.move_to_end((account_id, url))
                found[url] = id_
        return found

    async def take(self, account_id: int, urls: Iterable[str], now_ms: int) -> dict[str, int]:
        """The ids of an account's links, found again or made; on disk. StoreError."""
        urls, found = list(urls), {}
        for start in range(0, len(urls), PORTION):
            part = urls[start : start + PORTION]
            found.update(self._recall(account_id, part))
            missing = [url for url in part if url not in found]
            if not missing:
                await asyncio.sleep(0)
                continue
            for url, id_ in zip(missing, await self._store(account_id, missing, now_ms), strict=True):
                found[url] = id_
                self._known[account_id, url] = id_
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found

    async def _store(self, account_id: int, urls: list[str], now_ms: int) -> list[int]:
        """Those who ask while a transaction is under way share the next one."""
        wanted = _Wanted(account_id, urls, now_ms)
        self._wanted.append(wanted)
        if not self._storing:
            self._storing = True
            self._spawn(self._store_all())
        return await wanted.future

    async def _store_all(self) -> None:
        try:
            while self._wanted:
                count, portion = 0, []
                while self._wanted and count < PORTION:
                    portion.append(self._wanted.pop(0))
                    count += len(portion[-1].urls)
                try:
                    ids = await self._write(portion, count)
                except Exception as error:
                    for wanted in portion:
                        wanted.future.set_exception(error)
                    continue
                for wanted in portion:
                    wanted.future.set_result([next(ids) for _ in wanted.urls])
        finally:
            self._storing = False

    async def _write(self, portion: list[_Wanted], count: int) -> Any:
        id_ = self._desk.take_links(count)
        rows = []
        for wanted in portion:
            for url in wanted.urls:
                rows.append((id_, wanted.account_id, url, plain(url), wanted.now_ms))
                id_ += 1
        # In the order of their key, as rows are locked; one that is there already keeps its id, and the new one is unused.
        steps = [
            Step("links.add", sorted(rows, key=itemgetter(1, 2))),
            Step("links.find", [row[1:3] for row in rows], fetch=True),
        ]
        results = await self._desk.db.transact(steps)
        return iter([int(row[0]) for row in results[1]])

    async def restore(self, texts: list[str]) -> list[str]:
        """Texts from the store as they were decided: where a recipient has links of his own, those of the account again."""
        if not self.base:
            return texts
        pattern = code_pattern(self.base)
        asked = {code: self.codes.read(code) for text in texts if self.base in text for code in pattern.findall(text)}
        if not asked:
            return texts
        rows = await self._desk.db.all("links.targets", json.dumps(list(asked.values())))
        link_of = {row[0]: row[1] for row in rows}

        def restore_one(found: re.Match[str]) -> str:
            link_id = link_of.get(asked[found[1]])
            return found[0] if link_id is None else self.base + self.codes.write(link_id)

        return [pattern.sub(restore_one, text) if self.base in text else text for text in texts]

    # -- questions ---------------------------------------------------------------------
    def find(
        self, account: Account, id_: int, link: str, now_ms: int, done: Callable[[Counts | Refusal], None]
    ) -> None:
        """A link of the account by its id or (id 0) by its address as people type it, with its clicks."""
        self._spawn(self._find(account, id_, link, now_ms, done))

    async def _find(
        self, account: Account, id_: int, link: str, now_ms: int, done: Callable[[Counts | Refusal], None]
    ) -> None:
        answer: Counts | Refusal
        try:
            answer = await show(self._desk.db, account, self.codes, self.base, id_, link, now_ms)
        except Refused as refused:
            answer = Refusal(refused.reason, refused.detail)
        except Exception:
            log.exception("link_not_found_out")
            answer = Refusal(Reason.STORE_FULL)
        done(answer)


async def show(db: Database, account: Account, codes: Codes, base: str, id_: int, link: str, now_ms: int) -> Counts:
    """A link of an account and its clicks; Refused(NOT_FOUND). An address means the one that is written so, else the
    newest with the same plain form; a short link means its own."""
    if not id_:
        id_ = await _look_up(db, account.id, codes, base, link.strip())
    row = await db.one("links.get", id_) if 0 < id_ <= MOST_ID else None
    if row is None or row[1] != account.id:
        raise Refused(Reason.NOT_FOUND, "the account has no such short link")
    day, yesterday, month, previous = find_periods(now_ms, account.settings.tz)
    sums = await db.one("clicks.sums", id_, day, yesterday, month, previous)
    assert sums is not None  # sums of nothing are a row, too
    total, in_day, in_yesterday, in_month, in_previous = map(int, sums)
    short = base + codes.write(id_)
    return Counts(id_, row[2], short, total, in_month, in_day, in_yesterday, in_previous, row[3])


async def _look_up(db: Database, account_id: int, codes: Codes, base: str, link: str) -> int:
    if base and link.startswith(base):
        return codes.read(link[len(base) :]) or 0
    row = await db.one("links.find", account_id, link) or await db.one("links.find_plain", account_id, plain(link))
    return int(row[0]) if row else 0


async def list_all(
    db: Database, account_id: int, codes: Codes, base: str, before: int = MOST_ID, limit: int = 100
) -> list[Line]:
    """Links of an account with an id below ``before``, newest first."""
    rows = await db.all("links.page", account_id, before, limit)
    return [Line(id_, url, base + codes.write(id_), int(clicks), at_ms) for id_, url, at_ms, clicks in rows]


async def find_owner(db: Database, codes: Codes, short: str) -> Owner:
    """Whose a short link (or only its code) is; Refused(NOT_FOUND)."""
    id_ = codes.read(short.rstrip("/").rpartition("/")[2])
    rows = await db.all("links.targets", json.dumps([id_])) if id_ is not None else []
    if not rows:
        raise Refused(Reason.NOT_FOUND, f"{short!r} is no short link of this installation")
    link = await db.one("links.get", rows[0][1])
    account = await db.one("traces.account", link[1]) if link is not None else None
    return Owner(account[0] if account is not None else "(gone)", rows[0][1], rows[0][2], rows[0][3])


class _Links:
    """The links of texts: where they stand in each, and all addresses. A text without any is not among them."""

    __slots__ = ("by_text", "urls")

    def __init__(self) -> None:
        self.by_text: dict[str, tuple[str, str, list[Found]]] = {}
        self.urls: dict[str, None] = {}

    async def clear(self, recipients: list[Recipient]) -> None:
        """Let go of it in portions, with the recipients as they came: to free it all at once would hold the loop."""
        while recipients or self.by_text:
            del recipients[-PORTION:]
            for _ in range(min(PORTION, len(self.by_text))):
                self.by_text.popitem()
            await asyncio.sleep(0)


def _find_all(submission: Submission, base: str) -> _Links:
    """The links of its texts, without those in a comment and those that are short links already."""
    links = _Links()
    for text in dict.fromkeys(recipient.text for recipient in submission.recipients):
        if "://" not in text and "." not in text:
            continue
        body, comment = split_comment(text)
        found = [each for each in find(body) if not each.url.startswith(base)]
        if found:
            links.by_text[text] = (body, comment, found)
            links.urls.update((each.url, None) for each in found)
    return links


def _with_links(submission: Submission, links: _Links, short: Mapping[str, str], trails: Trails | None) -> Submission:
    written = {}
    for text, (body, comment, found) in links.by_text.items():
        body = replace(body, found, short)
        written[text] = f"{body}{COMMENT}{comment}" if comment else body
    recipients = tuple(
        Recipient(each.given, written[each.text], each.sender, each.zone_min) if each.text in written else each
        for each in submission.recipients
    )
    return msgspec.structs.replace(submission, recipients=recipients, shorten=False, trails=trails)

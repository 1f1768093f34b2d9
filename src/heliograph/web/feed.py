"""What moves, told to open pages as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

There is no queue for a reader. One window holds the newest lines, each with the version at which it last changed; a
reader remembers the version it has seen and, when its socket has room, is given what is newer. So a slow reader skips
steps but ends with the latest state, and what all readers together hold is bounded: `MOST_LINES` lines and a number each.
"""

import asyncio

import msgspec

from heliograph.core.messages import Flag, Message
from heliograph.services import histories
from heliograph.services.desk import Desk
from heliograph.services.inbound import Inbound, Incoming
from heliograph.web.rows import Line, line_of, line_of_inbound, show_money

MOST_LINES = 100  # on a page, in the window and so in a frame: some 30 KB
MOST_READERS = 50
MOST_MOVED = 5000  # messages noted between two flushes; only the newest of them will be shown
PACE_S = 0.2  # five frames a second at most: 100 lines of 5 µs are 0.25% of the loop's time
BEAT_S = 15.0  # proxies cut a silent connection after 30 to 60 s

BEAT = b": still here\n\n"
RETRY = b"retry: 2000\n\n"  # ms until a browser connects again


class Frame(msgspec.Struct, frozen=True):
    """One event: lines that are new or have changed, oldest first, and the balance."""

    rows: list[Line]
    balance: str


class Feed:
    """Watches an account while somebody reads; with no reader there is no watcher, and a message costs nothing."""

    def __init__(self, account_id: int, desk: Desk, incoming: Incoming) -> None:
        self._account_id = account_id
        self._desk = desk
        self._incoming = incoming
        self._readers: set[Reader] = set()
        self._window: dict[str, tuple[int, Line]] = {}
        self._moved: dict[int, Message] = {}
        self._arrived: dict[int, Inbound] = {}
        self._flushing: asyncio.TimerHandle | None = None
        self._beating: asyncio.TimerHandle | None = None
        self._latest: tuple[int, bytes] = (-1, b"")
        self.version = 0

    @property
    def readers(self) -> int:
        """How many pages are open."""
        return len(self._readers)

    def open(self) -> "Reader | None":
        """A new reader, which must be closed; None when there are too many."""
        if len(self._readers) >= MOST_READERS:
            return None
        if not self._readers:
            self._desk.watchers.append(self._note)
            self._incoming.watchers.append(self._note_inbound)
            self._beating = asyncio.get_running_loop().call_later(BEAT_S, self._beat)
        reader = Reader(self)
        self._readers.add(reader)
        return reader

    def close(self, reader: "Reader") -> None:
        """Forget a reader; the last one takes the watchers along."""
        if reader not in self._readers:
            return
        self._readers.remove(reader)
        if self._readers:
            return
        self._desk.watchers.remove(self._note)
        self._incoming.watchers.remove(self._note_inbound)
        for timer in (self._flushing, self._beating):
            if timer is not None:
                timer.cancel()
        self._flushing = self._beating = None
        self._window.clear()
        self._moved.clear()
        self._arrived.clear()

    def balance(self) -> str:
        """The main balance of the account after everything under way."""
        return show_money(self._desk.purses.balance(self._account_id)[0])

    async def load(self) -> list[Line]:
        """The newest lines as they are now, oldest first: as many as a page holds, so that no gap is left in it."""
        zone = self._zone()
        lines = [line_of(m, zone) for m in await histories.latest(self._desk, self._account_id, limit=MOST_LINES)]
        lines += [line_of_inbound(i, zone) for i in await histories.latest_inbound(self._desk.db, limit=MOST_LINES)]
        return sorted(lines, key=lambda line: line.key)[-MOST_LINES:]

    def encode(self, lines: list[Line]) -> bytes:
        """An event with these lines; JSON has no line ends of its own."""
        return b"data: %b\n\n" % msgspec.json.encode(Frame(lines, self.balance()))

    def frame_since(self, version: int) -> bytes:
        """The event for one who has seen `version`; most readers have seen the one before, so that is kept."""
        if self._latest[0] != version:
            self._latest = (version, self.encode([line for at, line in self._window.values() if at > version]))
        return self._latest[1]

    # --- watching

    def _note(self, message: Message) -> None:
        if message.account_id != self._account_id:
            return
        moved = self._moved
        moved[message.int_id] = message
        if len(moved) > MOST_MOVED:
            self._moved = {int_id: moved[int_id] for int_id in sorted(moved)[-MOST_LINES:]}
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(PACE_S, self._flush)

    def _note_inbound(self, inbound: Inbound) -> None:
        self._arrived[inbound.id] = inbound
        if len(self._arrived) > MOST_LINES:
            del self._arrived[next(iter(self._arrived))]
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(PACE_S, self._flush)

    def _flush(self) -> None:
        """Bring what moved into the window and wake the readers."""
        self._flushing = None
        zone = self._zone()
        moved, self._moved = self._moved, {}
        arrived, self._arrived = self._arrived, {}
        newest = (moved[int_id] for int_id in sorted(moved)[-MOST_LINES:])
        lines = [line_of(message, zone) for message in newest if not message.flags & Flag.DELETED]
        lines += [line_of_inbound(inbound, zone) for inbound in arrived.values()]
        self.version += 1
        window = self._window
        for line in lines:
            window[line.key] = (self.version, line)
        keys = sorted(window)[-MOST_LINES:]
        self._window = {key: window[key] for key in keys}
        self._latest = (-1, b"")
        for reader in self._readers:
            reader.wake()

    def _beat(self) -> None:
        self._beating = asyncio.get_running_loop().call_later(BEAT_S, self._beat)
        for reader in self._readers:
            reader.beat()

    def _zone(self) -> str:
        return self._desk.snapshots.current.accounts[self._account_id].settings.tz


class Reader:
    """The events for one page: first the newest lines, then what changes. Not a generator, so that closing one that was
    never started also counts."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._seen = feed.version
        self._begun = self._due = self._closed = False
        self._waiting: asyncio.Future[None] | None = None

    def __aiter__(self) -> "Reader":
        return self

    async def __anext__(self) -> bytes:
        feed = self._feed
        if not self._begun:
            self._begun = True
            return RETRY + feed.encode(await feed.load())
        while not self._closed:
            if self._seen < feed.version:
                frame = feed.frame_since(self._seen)
                self._seen = feed.version
                self._due = False
                return frame
            if self._due:
                self._due = False
                # The balance may have been topped up from outside, which moves no message.
                return BEAT + feed.encode([])
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Called by the door when the page is gone."""
        self._closed = True
        self._feed.close(self)
        self.wake()

    def wake(self) -> None:
        """There may be something to send."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def beat(self) -> None:
        """Something must be sent, so that the connection is kept and a dead one noticed."""
        self._due = True
        self.wake()

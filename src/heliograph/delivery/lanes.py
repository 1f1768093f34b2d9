"""Texts that wait in memory for one carrier: by lane, and within a lane accounts take turns (design section 5, lanes)."""

from collections import OrderedDict, deque
from collections.abc import Callable

from heliograph.core.messages import Message


class Lane:
    """One lane of one carrier: a line for each account, served in turn, so that no neighbour can starve another."""

    def __init__(self) -> None:
        self._lines: OrderedDict[int, deque[Message]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, message: Message) -> None:
        """Put a message at the end of its account's line."""
        line = self._lines.get(message.account_id)
        if line is None:
            line = self._lines[message.account_id] = deque()
        line.append(message)
        self._count += 1

    def push_front(self, message: Message) -> None:
        """Put a message that was taken too early back to where it came from."""
        line = self._lines.get(message.account_id)
        if line is None:
            line = self._lines[message.account_id] = deque()
        line.appendleft(message)
        self._lines.move_to_end(message.account_id, last=False)
        self._count += 1

    def pop(self) -> Message | None:
        """The first message of the account whose turn it is."""
        for account_id in self._lines:
            line = self._lines[account_id]
            message = line.popleft()
            self._count -= 1
            if line:
                self._lines.move_to_end(account_id)
            else:
                del self._lines[account_id]
            return message
        return None

    def drain(self) -> list[Message]:
        """Everything, and the lane is empty."""
        messages = [message for line in self._lines.values() for message in line]
        self._lines.clear()
        self._count = 0
        return messages

    def sift(self, start: int, most: int, keep: Callable[[Message], bool]) -> int:
        """Judge up to ``most`` texts from the place ``start`` on, take out those that ``keep`` denies, and leave the rest
        in their order. Returns where to go on, which is the beginning after the last. ``keep`` must not touch the lane."""
        before, place = 0, start
        for account_id, line in list(self._lines.items()):
            size = len(line)
            skip = place - before
            if skip < size and most > 0:
                count = min(most, size - skip)
                line.rotate(-skip)
                kept = [message for message in (line.popleft() for _ in range(count)) if keep(message)]
                line.extend(kept)
                line.rotate(skip + len(kept))
                most -= count
                place += len(kept)
                self._count -= count - len(kept)
            before += len(line)
            if not line:
                del self._lines[account_id]
        return place if place < self._count else 0

"""Texts that wait in memory for one carrier: by lane, and within a lane accounts take turns (design section 5, lanes)."""

from collections import OrderedDict, deque

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

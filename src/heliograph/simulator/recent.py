"""A memory of the recent past that cannot grow without end: two dictionaries that take turns."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Remembers at least the last `size` keys that were written, at most twice as many."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._new: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The value last written under the key, None when it is unknown or forgotten."""
        found = self._new.get(key)
        return self._old.get(key) if found is None else found

    def put(self, key: K, value: V) -> None:
        """Remember a value."""
        if len(self._new) >= self.size:
            self._old, self._new = self._new, {}
        self._new[key] = value

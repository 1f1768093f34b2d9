"""What one client may hold of a door: connections, and bytes of bodies that are not whole yet."""

from collections import Counter


class Shares:
    """Counts by source; "" is somebody who has no bound, such as a trusted proxy itself."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: Counter[str] = Counter()

    def take(self, source: str, amount: int = 1) -> bool:
        """Count something in; False, and nothing counted, when it would be more than the bound."""
        if not source:
            return True
        if self._held[source] + amount > self.most:
            return False
        self._held[source] += amount
        return True

    def give(self, source: str, amount: int = 1) -> None:
        """Count it out again."""
        if not source:
            return
        left = self._held[source] - amount
        if left:
            self._held[source] = left
        else:
            del self._held[source]

    def __len__(self) -> int:
        """How many sources hold something."""
        return len(self._held)

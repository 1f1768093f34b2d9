"""What the command line asks for, as every step needs it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.conditions import Conditions
from bench.installation import PLAIN, Figures, Installation
from bench.stores import Stores

Runs = dict[str, list[Figures]]


@dataclass
class Plan:
    """What the command line asks for."""

    folder: Path
    stores: Stores
    runs: int = 3
    scale: float = 1.0
    levels: tuple[int, ...] = (1, 32, 128)
    tell: Callable[[str], None] = print
    conditions: Conditions = PLAIN
    windows: tuple[str, ...] = ("1x50", "1x100", "2x100", "3x100", "1-3x50-100")
    stored: tuple[int, ...] = (0, 500_000, 1_000_000, 2_000_000)
    handlers: int = 200

    def count(self, n: int) -> int:
        """So many texts, made fewer or more by --scale."""
        return max(20, int(n * self.scale))

    def install(
        self,
        conditions: Conditions | None = None,
        *,
        fill: Callable[[str], None] | None = None,
        many: Sequence[str] = (),
        more: Mapping[str, str] | None = None,
    ) -> Installation:
        """A new installation, to be used as a context; under this plan's conditions unless others are given."""
        own = conditions or self.conditions
        return Installation(self.folder / "installation", self.stores, own, fill=fill, many=many, more=more)

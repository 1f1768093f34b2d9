"""Balances in memory: what is committed and what is promised to batches under way (design section 8)."""


class Purse:
    """``committed`` is the balance on disk, ``moving`` what batches under way will add to it (charges are below zero)."""

    __slots__ = ("committed", "credit", "moving", "second")

    def __init__(
        self,
        committed: int,
        second: int,
        credit: int,
        moving: int = 0,
    ) -> None:
        self.committed = committed
        self.second = second
        self.credit = credit
        self.moving = moving


class Purses:
    """The money of all accounts. The database's own check (balance + credit >= 0) stands behind it."""

    def __init__(self) -> None:
        self._purses: dict[int, Purse] = {}

    def publish(self, rows: list[tuple[int, int, int, int]]) -> None:
        """Take over (account, balance, second balance, credit), read between two commits."""
        for account_id, balance, second, credit in rows:
            purse = self._purses.get(account_id)
            if purse is None:
                self._purses[account_id] = Purse(committed=balance, second=second, credit=credit)
            else:
                purse.committed, purse.second, purse.credit = balance, second, credit

    def _of(self, account_id: int) -> Purse:
        purse = self._purses.get(account_id)
        if purse is None:
            purse = self._purses[account_id] = Purse(committed=0, second=0, credit=0)
        return purse

    def reserve(self, account_id: int, amount: int) -> bool:
        """Promise a charge when balance and credit cover it. Each success ends in ``settle`` or ``release``."""
        purse = self._of(account_id)
        # Refunds under way count: they are committed with this charge or before it, for batches keep their order.
        if amount > 0 and purse.committed + purse.moving - amount + purse.credit < 0:
            return False
        purse.moving -= amount
        return True

    def release(self, account_id: int, amount: int) -> None:
        """Take a promise back: its batch failed or was never made."""
        self._of(account_id).moving += amount

    def settle(self, account_id: int, balance: int, amount: int) -> None:
        """A batch that moved ``amount`` is on disk and left ``balance``."""
        purse = self._of(account_id)
        purse.committed = balance
        purse.moving -= amount

    def refund(self, account_id: int, amount: int) -> None:
        """Note money that a batch under way gives back."""
        self._of(account_id).moving += amount

    def left(self, account_id: int) -> int:
        """The balance after everything under way."""
        purse = self._of(account_id)
        return purse.committed + purse.moving

    def balance(self, account_id: int) -> tuple[int, int, int]:
        """Main balance, second balance and credit, in 1/10,000 of a unit."""
        purse = self._of(account_id)
        return purse.committed + purse.moving, purse.second, purse.credit

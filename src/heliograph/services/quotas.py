"""Limits on messages: a day in all, to one number, of one text, for one end user's address, and floods (spec sending 9.3).

They are counted in memory and rebuilt from the store at start, so a message costs no query.
"""

from collections.abc import Awaitable, Callable
from hashlib import blake2b

from heliograph.core.accounts import Account
from heliograph.core.limits import Days, Rate, Recent, Runs
from heliograph.core.messages import decode_extra
from heliograph.core.reasons import Reason
from heliograph.core.sources import source_of
from heliograph.core.status import Status
from heliograph.core.zones import offset_min
from heliograph.services.moments import find_id
from heliograph.store.database import Database

DAY_MS = 86_400_000
TEXT, ADDRESS = "text", "address"
REFUSED = frozenset({Status.BAD_NUMBER, Status.DENIED, Status.NO_MONEY, Status.UNREACHABLE})


def fingerprint(*parts: str) -> int:
    """63 bits that tell contents apart and stay the same over restarts."""
    return int.from_bytes(blake2b("\x1f".join(parts).encode(), digest_size=8).digest(), "big") >> 1


class Quotas:
    """The counters of all accounts."""

    def __init__(self, flood: int = 50, flood_gap_s: float = 30.0) -> None:
        self._days = Days()
        self._runs = Runs(flood, flood_gap_s)
        self.copies = Recent()
        self.requests = Recent()
        self._rates: dict[int, Rate] = {}
        # Texts from the store as they were counted: without links of the recipient's own.
        self.restore: Callable[[list[str]], Awaitable[list[str]]] = _as_they_are

    def admit(self, account: Account, phone: str, text: str, user_ip: str, now_ms: int) -> Reason | None:
        """Why one more message is too many; None when it is not, and then it counts until ``withdraw``."""
        settings = account.settings
        if not self._runs.take((account.id, phone), now_ms):
            return Reason.FLOOD
        limited = settings.day_limit or settings.number_limit or settings.text_limit or settings.ip_limit
        counts = self._today(account, now_ms) if limited else {}
        if settings.day_limit and counts.get("", 0) >= settings.day_limit:
            return Reason.DAY_LIMIT
        if settings.number_limit and counts.get(phone, 0) >= settings.number_limit:
            return Reason.NUMBER_LIMIT
        if settings.text_limit and counts.get((TEXT, phone, text), 0) >= settings.text_limit:
            return Reason.NUMBER_LIMIT
        if settings.ip_limit and user_ip and counts.get((ADDRESS, source_of(user_ip)), 0) >= settings.ip_limit:
            return Reason.NUMBER_LIMIT
        if settings.no_duplicates and not self.copies.add(fingerprint(str(account.id), phone, text), now_ms):
            return Reason.DUPLICATE
        if limited:
            self._note(counts, account, phone, text, user_ip)
        return None

    def withdraw(self, account: Account, phone: str, text: str, user_ip: str, now_ms: int) -> None:
        """Take an admitted message back: its request was refused after all, so nothing of it was sent."""
        if account.settings.no_duplicates:
            self.copies.discard(fingerprint(str(account.id), phone, text))
        counts = self._today(account, now_ms)
        for key in ("", phone, (TEXT, phone, text), (ADDRESS, source_of(user_ip))):
            if counts.get(key, 0) > 0:
                counts[key] -= 1

    def is_fast(self, account: Account, now_ms: int) -> bool:
        """Whether one more single text of this account still travels in the first lane."""
        rate = self._rates.get(account.id)
        if rate is None or rate.rate != account.settings.code_rate:
            rate = self._rates[account.id] = Rate(account.settings.code_rate, now_ms)
        return rate.take(now_ms)

    def _today(self, account: Account, now_ms: int) -> dict[object, int]:
        local_ms = now_ms + offset_min(account.settings.tz, now_ms) * 60_000
        return self._days.counts(account.id, local_ms // DAY_MS)

    @staticmethod
    def _note(counts: dict[object, int], account: Account, phone: str, text: str, user_ip: str) -> None:
        settings = account.settings
        counts[""] = counts.get("", 0) + 1
        if settings.number_limit:
            counts[phone] = counts.get(phone, 0) + 1
        if settings.text_limit:
            counts[TEXT, phone, text] = counts.get((TEXT, phone, text), 0) + 1
        if settings.ip_limit and user_ip:
            source = source_of(user_ip)  # whoever has one IPv6 address has 2**64 of them
            counts[ADDRESS, source] = counts.get((ADDRESS, source), 0) + 1

    async def rebuild(self, db: Database, accounts: list[Account], now_ms: int) -> None:
        """Count anew what the store holds: the last minute's requests and copies, and today's messages where a limit asks.

        Of a longer run of quick messages to one number only the last minute counts.
        """
        strict = {account.id for account in accounts if account.settings.no_duplicates}
        first = await find_id(db, now_ms - 60_000)
        async for page in db.pages("messages.since", first):
            texts = await self.restore([row[6] for row in page])
            for (_, account_id, phone, print_, created_ms, status, _), text in zip(page, texts, strict=True):
                self._runs.take((account_id, phone), created_ms)
                if status in REFUSED:
                    continue
                if print_:
                    self.requests.add(print_, created_ms)
                if account_id in strict:
                    self.copies.add(fingerprint(str(account_id), phone, text), created_ms)
        for account in accounts:
            s = account.settings
            if not (s.day_limit or s.number_limit or s.text_limit or s.ip_limit):
                continue
            local_ms = now_ms + offset_min(s.tz, now_ms) * 60_000
            first = await find_id(db, now_ms - local_ms % DAY_MS)
            counts = self._today(account, now_ms)
            async for page in db.pages("messages.today", first, account.id):
                texts = await self.restore([row[1] for row in page])
                for (phone, _, extra), text in zip(page, texts, strict=True):
                    self._note(counts, account, phone, text, decode_extra(extra).user_ip)


async def _as_they_are(texts: list[str]) -> list[str]:
    """No links are tracked."""
    return texts

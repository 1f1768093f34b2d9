"""A store of six months whose texts differ: accounts of three sizes, numbers written to once and 100,000 times, texts
scheduled days ahead, e-mails, statuses mixed. The same for the same size, whenever it is made.

Of 10,000,000 texts account 1 has 80 %, account 2 has 10 %, the others share the rest. One number has 1 % of the texts, 200
have 5 %, a tenth as many numbers as there are texts have half of them, and the others have one each.
"""

from bench.grown import DAY_MS, Shape, fill_texts

DAYS = 182
BIG, MIDDLE, FIRST_SMALL = 1, 2, 3
HEAVY = "79990000000"
FREQUENT, COMMON, RARE = 79_980_000_000, 79_500_000_000, 79_600_000_000
FREQUENT_NUMBERS = 200
MAILS = 1000
LATER_DAYS = 14


def shape(n: int, small: int, now_ms: int) -> Shape:
    """What ``n`` texts are like with ``small`` small accounts, whose ids follow those of the two others."""
    account = f"""CASE WHEN chance % 1000 < 800 THEN {BIG} WHEN chance % 1000 < 900 OR {small} = 0 THEN {MIDDLE}
        ELSE {FIRST_SMALL} + chance / 1000 % {max(small, 1)} END"""
    mail = "chance / 7 % 200 = 0"
    which = "luck / 1000"
    phone = f"""CASE WHEN {mail} THEN 'reader' || CAST({which} % {MAILS} AS TEXT) || '@example.org'
        WHEN luck % 1000 < 10 THEN '{HEAVY}'
        WHEN luck % 1000 < 60 THEN CAST({FREQUENT} + {which} % {FREQUENT_NUMBERS} AS TEXT)
        WHEN luck % 1000 < 560 THEN CAST({COMMON} + {which} % {max(1, n // 10)} AS TEXT)
        ELSE CAST({RARE} + n AS TEXT) END"""
    status = """CASE WHEN chance / 11 % 100 < 85 THEN 1 WHEN chance / 11 % 100 < 90 THEN 2
        WHEN chance / 11 % 100 < 94 THEN 3 WHEN chance / 11 % 100 < 98 THEN 20 ELSE 4 END"""
    youngest_ms = now_ms - (LATER_DAYS + 2) * DAY_MS
    later = f"""CASE WHEN chance / 13 % 500 = 0 AND at_ms < {youngest_ms} THEN (2 + chance / 17 % {LATER_DAYS - 1}) * {DAY_MS}
        ELSE 0 END"""
    return Shape(
        days=DAYS,
        account=account,
        phone=phone,
        mccmnc="25001",
        kind=f"CASE WHEN {mail} THEN 8 ELSE 0 END",
        status=status,
        refunded="CASE WHEN chance / 11 % 100 BETWEEN 94 AND 97 THEN 1 ELSE 0 END",
        later_ms=later,
    )


def fill(database: str, n: int, small: int, now_ms: int) -> None:
    """Make it, in a store with the accounts and nothing else."""
    fill_texts(database, n, shape(n, small, now_ms), now_ms)

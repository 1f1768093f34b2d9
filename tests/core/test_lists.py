"""Recipients and texts in one field (spec sending 3.4)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.lists import parse_list
from heliograph.core.messages import Recipient
from heliograph.core.reasons import Reason, Refused

A, B = "79001112233", "79001112244"


CASES = [
    (f"{A}:Hello\n{B}:Bye", False, (Recipient(A, "Hello"), Recipient(B, "Bye"))),
    (f"{A},{B}:Hello", False, (Recipient(A, "Hello"), Recipient(B, "Hello"))),
    (f"{A};Hello: you", False, (Recipient(A, "Hello: you"),)),
    (f"{A}:10:30; then|more", False, (Recipient(A, "10:30; then|more"),)),
    (f"{A}:one\\ntwo", False, (Recipient(A, "one\ntwo"),)),
    (f"{A}:one\r\n{B}:two\r\n\r\n", False, (Recipient(A, "one"), Recipient(B, "two"))),
    (f"\n\n{A}:one\n\n", False, (Recipient(A, "one"),)),
    (f"Shop|{A}:one", False, (Recipient(A, "one", "Shop"),)),
    (f"Shop,2|{A}:one", False, (Recipient(A, "one", "Shop", 300),)),
    (f"|{A}:one", False, (Recipient(A, "one", ""),)),
    (f",-3|{A}:one", False, (Recipient(A, "one", "", 0),)),
    (
        f"{A}:one\ntwo: three\n10:30\n\nend\n{B}:next\n\n",
        True,
        (Recipient(A, "one\ntwo: three\n10:30\n\nend"), Recipient(B, "next")),
    ),
    (f"Shop|{A},{B}:one\ntwo", True, (Recipient(A, "one\ntwo", "Shop"), Recipient(B, "one\ntwo", "Shop"))),
    (f"{A}:C:\\new", True, (Recipient(A, "C:\\new"),)),
    ("G321:all", True, (Recipient("G321", "all"),)),
    ("", False, ()),
    ("\n\n", True, ()),
]


@pytest.mark.parametrize(("text", "nl", "expected"), CASES)
def test_records_of_a_list_are_read(text: str, nl: bool, expected: tuple[Recipient, ...]) -> None:
    """One request with many texts is how shops send notices."""
    assert parse_list(text, nl) == expected


@pytest.mark.parametrize(
    ("text", "nl"),
    [
        ("no separator", False),
        (":text", False),
        (" , :text", False),
        ("words\n79001112233:x", True),
        (f"Shop,x|{A}:y", False),
    ],
)
def test_line_that_is_no_record_is_refused(text: str, nl: bool) -> None:
    """A text must not be lost in silence because its line was mistyped."""
    with pytest.raises(Refused) as caught:
        parse_list(text, nl)
    assert caught.value.reason is Reason.BAD_PARAMETERS


@pytest.mark.parametrize("text", [f"{A}:x\n" * 4, f"{A},{A},{B},{B}:x", ",,,,,,,:x", "\n" * 31])
def test_recipients_are_bounded(text: str) -> None:
    """One body may not occupy the server for seconds."""
    with pytest.raises(Refused):
        parse_list(text, nl=False, most=3)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("79+G:;,|\\n\n\r x@3é"), max_size=80), st.booleans())
def test_any_text_is_read_or_refused(text: str, nl: bool) -> None:
    """What a stranger posts never becomes a traceback."""
    try:
        records = parse_list(text, nl)
    except Refused:
        return
    assert all(record.given and record.given == record.given.strip() for record in records)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_characters="\\\r", exclude_categories=["Cs"]), min_size=1),
        min_size=1,
        max_size=5,
    )
)
def test_escaped_texts_come_back_as_they_were(texts: list[str]) -> None:
    """Whatever is in a text (separators, breaks), one record is one text."""
    written = "\n".join(f"{A}:" + text.replace("\n", "\\n") for text in texts)
    assert [record.text for record in parse_list(written, nl=False)] == texts


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.lists(st.text("abc :;|é", max_size=12), min_size=1, max_size=4).map("\n".join),
        min_size=1,
        max_size=5,
    )
)
def test_texts_with_breaks_of_their_own_come_back_as_they_were(texts: list[str]) -> None:
    """With nl=1 a line without recipients goes on with the text before, whatever stands in it."""
    written = "\n".join(f"{A}:{text}" for text in texts)
    assert [record.text for record in parse_list(written, nl=True)] == [text.rstrip("\n") for text in texts]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("79,G:;|\n x"), max_size=200), st.booleans(), st.integers(1, 5))
def test_no_more_records_come_than_are_allowed(text: str, nl: bool, most: int) -> None:
    """The bound holds for every way to write many recipients."""
    try:
        assert len(parse_list(text, nl, most)) <= most
    except Refused as refused:
        assert refused.reason is Reason.BAD_PARAMETERS

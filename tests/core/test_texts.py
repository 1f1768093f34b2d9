"""From what the customer wrote to what is sent (core/texts.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.messages import Kind
from heliograph.core.reasons import Reason, Refused
from heliograph.core.texts import MAX_TEXT, prepare, split_comment


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("[" * 80, 1),
        ("[" * 81, 2),
        ("№" + "a" * 70, 2),
    ],
)
def test_parts_are_counted_by_the_alphabet(text: str, parts: int) -> None:
    """Each part is charged."""
    found = prepare(text, Kind.SMS)
    assert (found.text, found.parts) == (text, parts)


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\x00"), min_size=1, max_size=200))
def test_text_that_fits_is_never_altered(text: str) -> None:
    """What the customer wrote is what arrives."""
    if "\n~~~\n" not in text:
        assert prepare(text, Kind.SMS).text == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello\n~~~\nOrder 15", ("Hello", "Order 15")),
        ("Hello\r\n~~~\r\nOrder", ("Hello", "Order")),
        ("Hello", ("Hello", "")),
        ("a ~~~ b", ("a ~~~ b", "")),
        ("a\n~~~\nb\n~~~\nc", ("a", "b\n~~~\nc")),
    ],
)
def test_comment_is_taken_off(text: str, wanted: tuple[str, str]) -> None:
    """The customer's own comment is neither sent nor charged."""
    assert split_comment(text) == wanted
    found = prepare(text, Kind.SMS)
    assert (found.text, found.comment) == wanted


def test_line_ends_become_line_feeds() -> None:
    """Windows' line ends would cost a character each."""
    assert prepare("a\r\nb\rc", Kind.SMS).text == "a\nb\nc"


def test_translit_comes_before_counting_and_cutting() -> None:
    """Latin letters make two parts of Cyrillic fit into one."""
    assert prepare("я" * 71, Kind.SMS).parts == 2
    assert prepare("а" * 71, Kind.SMS, translit=1).parts == 1
    cut = prepare("а" * 500, Kind.SMS, translit=1, maxsms=2)
    assert (cut.parts, len(cut.text)) == (2, 306)
    assert prepare("я" * 500, Kind.SMS, maxsms=1).text == "я" * 70


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", Kind.SMS),
        ("\n~~~\ncomment", Kind.SMS),
        ("a" * (MAX_TEXT + 1), Kind.SMS),
        ("xyz", Kind.BINARY),
        ("", Kind.BINARY),
        ("00\n~~~\npid: 256, dcs: 0", Kind.BINARY),
    ],
)
def test_text_that_cannot_be_sent_is_refused(text: str, kind: Kind) -> None:
    """A clear error before anything is charged."""
    with pytest.raises(Refused) as refused:
        prepare(text, kind)
    assert refused.value.reason == Reason.BAD_PARAMETERS


def test_longest_text_counts_without_its_comment() -> None:
    """The limit is on what is sent."""
    assert prepare("a" * MAX_TEXT + "\n~~~\n" + "b" * 500, Kind.SMS).parts == 7


@pytest.mark.parametrize(
    ("text", "payload", "comment", "pid", "dcs"),
    [
        ("00 41 42", "004142", "", None, None),
        ("0041\n~~~\npid: 65, dcs: 245", "0041", "", 65, 245),
        ("0041\n~~~\nnote\n~~~\npid: 1, dcs: 2", "0041", "note", 1, 2),
        ("0041\n~~~\nnote", "0041", "note", None, None),
    ],
)
def test_binary_carries_its_payload_pid_and_dcs(
    text: str, payload: str, comment: str, pid: int | None, dcs: int | None
) -> None:
    """Binary texts come with their header in hex and a tail of fixed form (spec sending 6.2)."""
    found = prepare(text, Kind.BINARY)
    assert (found.text, found.comment, found.pid, found.dcs, found.parts) == (payload, comment, pid, dcs, 1)


@pytest.mark.parametrize("kind", [Kind.HLR, Kind.PING])
def test_queries_have_no_text(kind: Kind) -> None:
    """The text parameter is ignored, its comment is kept."""
    found = prepare("a" * 2000 + "\n~~~\nmine", kind)
    assert (found.text, found.parts, found.comment) == ("", 1, "mine")


def test_push_counts_its_own_parts() -> None:
    """A WAP push is an address and a title."""
    found = prepare("http://example.com/\nTitle", Kind.PUSH)
    assert found.text == "http://example.com/\nTitle" and found.parts == 1

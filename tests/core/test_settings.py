"""Settings read from texts by the types of a record (core/settings.py)."""

import re
from typing import Annotated, Literal

import msgspec
import pytest

from heliograph.core import accounts, carriers, routing
from heliograph.core.settings import change, describe, read, write


class Sample(msgspec.Struct, frozen=True):
    """Every type that settings have."""

    text: Annotated[str, msgspec.Meta(description="A text", max_length=5)] = ""
    count: Annotated[int, msgspec.Meta(ge=1, le=9, description="A count")] = 1
    share: float = 0.5
    on: bool = False
    way: Annotated[Literal["a", "b"], msgspec.Meta(description="A way")] = "a"
    words: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    pairs: dict[str, int] = {}
    price: Annotated[int, msgspec.Meta(ge=0)] | None = None


def test_each_type_is_read_from_its_text() -> None:
    """The command line and the environment have texts only."""
    texts = {
        "text": "5",
        "count": " 7 ",
        "share": "2",
        "on": "Yes",
        "way": "b",
        "words": "x, y,",
        "numbers": "1,2",
        "pairs": "0x45=255, receipt:001=1",
        "price": "3",
    }
    made = change(Sample(), texts)
    assert made == Sample("5", 7, 2.0, True, "b", ("x", "y"), (1, 2), {"0x45": 255, "receipt:001": 1}, 3)
    assert change(made, {"price": "", "words": "", "pairs": ""}) == Sample("5", 7, 2.0, True, "b", (), (1, 2), {}, None)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("txt", "x", "did you mean text?"),
        ("zzzzzz", "x", "known are text, count"),
        ("text", "123456", "characters at most: 5"),
        ("count", "10", "at most 9"),
        ("count", "1.5", "a whole number"),
        ("share", "much", "a number"),
        ("on", "2", "yes or no"),
        ("way", "c", "not one of the choices"),
        ("numbers", "1,x", "a whole number"),
        ("pairs", "a", "pairs are wanted"),
    ],
)
def test_wrong_text_names_field_and_rule(name: str, text: str, said: str) -> None:
    """Whoever mistypes reads which field and what it takes."""
    with pytest.raises(ValueError, match=re.escape(said)):
        change(Sample(), {name: text})


@pytest.mark.parametrize("record", [accounts.Settings, carriers.Settings, routing.Conditions])
def test_every_default_survives_being_written_and_read(record: type[msgspec.Struct]) -> None:
    """What a list of settings shows can be typed back."""
    texts = {setting.name: write(setting.default) for setting in describe(record)}
    assert change(record(), texts) == record()


@pytest.mark.parametrize("record", [accounts.Settings, carriers.Settings, routing.Conditions])
def test_every_setting_has_its_help(record: type[msgspec.Struct]) -> None:
    """Help stands beside the field, so that it cannot be forgotten."""
    assert all(setting.help for setting in describe(record))


def test_truth_has_many_words() -> None:
    """People write it in different ways."""
    assert [read(bool, text) for text in ("yes", "ON", "1", "true", "y")] == [True] * 5
    assert [read(bool, text) for text in ("no", "Off", "0", "false", "n")] == [False] * 5

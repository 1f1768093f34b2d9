"""Transliteration in its two modes (sending spec 4.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.wire.gsm.alphabet import fits
from heliograph.wire.gsm.translit import LOOKS, SIGNS, SOUNDS, transliterate

RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
LETTERS = RUSSIAN + "ґєіїў" + "әғқңөұүһ"
# The table of the spec, word for word.
SPEC = (
    "а a, б 6, в B, г r, д g, е e, ё e, ж >I<, з 3, и u, й u, к k, л /I, м M, н H, о o, п n, р p, с c, т m, у y, ф qp, "
    "х x, ц LL, ч 4, ш LLI, щ LLI, ъ b, ы bI, ь b, э 3, ю 10, я 9I"
)


@pytest.mark.parametrize(("letter", "look"), [pair.split(" ") for pair in SPEC.split(", ")])
def test_mode_2_is_the_table_of_the_spec(letter: str, look: str) -> None:
    """Customers know these look-alikes."""
    assert transliterate(letter, 2) == look


@pytest.mark.parametrize("mode", [1, 2])
@pytest.mark.parametrize("letter", LETTERS + LETTERS.upper())
def test_every_letter_becomes_gsm(letter: str, mode: int) -> None:
    """One letter left would make the whole message UCS-2 and double its price."""
    assert transliterate(letter, mode).isascii()


def test_tables_cover_the_same_letters() -> None:
    """A letter known to one mode only is a mistake of the table."""
    assert set(SOUNDS) == set(LOOKS) == set(LETTERS)
    assert len(SPEC.split(", ")) == len(RUSSIAN)


@pytest.mark.parametrize(
    ("text", "sounds"),
    [
        ("Съешь ещё этих мягких французских булок", "Sesh eshchyo etikh myagkikh frantsuzskikh bulok"),
        ("Щука ЩУКА щука", "Shchuka SHCHUKA shchuka"),
        ("ЮРИЙ Юрий", "YURIY Yuriy"),
        ("МОЩЬ, БОРЩ! Я и Ты", "MOSHCH, BORSHCH! Ya i Ty"),
        ("Київ, Ґанок, Єва", "Kiyiv, Ganok, Yeva"),
        ("Магілёў", "Magilyou"),
        ("Қазақстан, Өскемен, әже, үй", "Qazaqstan, Oskemen, azhe, uy"),
        ("Заказ № 5 — «Гелиограф»…", 'Zakaz No 5 - "Geliograf"...'),
        ("“a” ‘b’ 1 000 ₽", "\"a\" 'b' 1 000 RUB"),
        ("и\u0306од, е\u0308ж, пи́ть", "yod, yozh, pit"),
    ],
)
def test_mode_1_spells_sounds(text: str, sounds: str) -> None:
    """Words a reader meets, capitals and typography included."""
    assert transliterate(text, 1) == sounds
    assert fits(sounds)


def test_mode_2_keeps_capitals_where_they_look_alike() -> None:
    """The capitals have shapes of their own: Т is T though т is m."""
    assert transliterate("МОСКВА, Тест, привет", 2) == "MOCKBA, Tecm, npuBem"


def test_mode_0_changes_nothing() -> None:
    """It is the default of the parameter."""
    assert transliterate("Привет №1 `", 0) == "Привет №1 `"


@pytest.mark.parametrize("mode", [-1, 3])
def test_other_modes_are_refused(mode: int) -> None:
    """Even for a text that needs no change."""
    for text in ("plain", "Привет"):
        with pytest.raises(ValueError, match="0, 1 or 2"):
            transliterate(text, mode)


@given(st.text(alphabet=LETTERS + LETTERS.upper() + "".join(SIGNS) + " .,!?{}[]09azAZ\n"), st.sampled_from([1, 2]))
def test_cyrillic_text_becomes_gsm(text: str, mode: int) -> None:
    """The purpose of the parameter: 160 characters in a part instead of 70."""
    latin = transliterate(text, mode)
    assert fits(latin)
    assert transliterate(latin, mode) == latin


@given(st.text(), st.sampled_from([0, 1, 2]))
def test_any_text_is_taken(text: str, mode: int) -> None:
    """Other scripts stay as they are, and the tables never grow a text over four times."""
    assert len(transliterate(text, mode)) <= 4 * len(text)

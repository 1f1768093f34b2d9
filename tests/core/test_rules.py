"""Rules for incoming texts (core/rules.py)."""

from heliograph.core.rules import Actions, Rule, choose, expand, first_word


def rule(id_: int, keyword: str = "", phone: str = "", last: bool = False) -> Rule:
    return Rule(id_, 1, id_, phone, keyword, Actions(last=last))


def test_rules_apply_by_first_word_and_number() -> None:
    """Exact words in any case; an empty keyword is every text, an empty number any."""
    rules = [rule(1, "price"), rule(2, "Цена"), rule(3, phone="7000"), rule(4, "price", "7001"), rule(5)]
    for text, ways, wanted in (
        ("PRICE list", ("7000",), [1, 3, 5]),
        ("«цена»?", ("7002",), [2, 5]),
        ("prices", ("7001",), [5]),
        ("... price", ("7001", "07001"), [1, 4, 5]),
        ("", (), [5]),
    ):
        assert [each.id for each in choose(rules, ways, text)] == wanted, text


def test_last_rule_ends_the_search() -> None:
    """The rest is for texts that none of the rules before wanted."""
    rules = [rule(1, "a", last=True), rule(2)]
    assert [each.id for each in choose(rules, (), "A b")] == [1]
    assert [each.id for each in choose(rules, (), "b")] == [2]


def test_macros_of_the_text_are_text() -> None:
    """A subscriber must not be able to write a template."""
    assert expand("{phone} wrote {text}.", "79", "{phone} {text}") == "79 wrote {phone} {text}."
    assert expand("{other} {text", "79", "x") == "{other} {text"


def test_what_is_too_long_is_cut_and_no_comment_begins() -> None:
    """A text of 255 parts would be refused as a whole, and what stands behind "~~~" would not be sent."""
    assert expand("{phone}: {text}", "79", "a\n~~~\nb") == "79: a\n~ ~\nb"
    assert expand("{text}", "79", "x" * 1000) == "x" * 1000
    assert expand("{phone}: {text}", "79", "x" * 1000) == "79: " + "x" * 993 + "..."


def test_first_word_has_no_signs() -> None:
    """People write «Цена?» and - price."""
    assert [first_word(text) for text in ("- Price: 5", "…", "«Цена»?", " \n")] == ["price", "", "цена", ""]

"""Cyrillic text in Latin letters, so that it goes as GSM 7 bit (the `translit` parameter, sending spec 4.3).

Mode 1 spells sounds the way passports do; mode 2 picks Latin letters and digits that look alike. The tables cover
Russian, Ukrainian, Belarusian and Kazakh. Where one letter sounds differently in these languages the Russian sound is
taken, as the language of a text is not known.
"""

# Mode 1. Soft and hard signs have no sound and are dropped.
SOUNDS = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "yo", "ж": "zh", "з": "z", "и": "i", "й": "y",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
    "ґ": "g", "є": "ye", "і": "i", "ї": "yi",  # Ukrainian
    "ў": "u",  # Belarusian, with і
    "ә": "a", "ғ": "g", "қ": "q", "ң": "n", "ө": "o", "ұ": "u", "ү": "u", "һ": "h",  # Kazakh, with і
}  # fmt: skip

# Mode 2, the table of sending spec 4.3, and after it the letters the spec does not name.
LOOKS = {
    "а": "a", "б": "6", "в": "B", "г": "r", "д": "g", "е": "e", "ё": "e", "ж": ">I<", "з": "3", "и": "u", "й": "u",
    "к": "k", "л": "/I", "м": "M", "н": "H", "о": "o", "п": "n", "р": "p", "с": "c", "т": "m", "у": "y", "ф": "qp",
    "х": "x", "ц": "LL", "ч": "4", "ш": "LLI", "щ": "LLI", "ъ": "b", "ы": "bI", "ь": "b", "э": "3", "ю": "10",
    "я": "9I",
    "ґ": "r", "є": "e", "і": "i", "ї": "i", "ў": "y",
    "ә": "e", "ғ": "F", "қ": "k", "ң": "H", "ө": "o", "ұ": "Y", "ү": "Y", "һ": "h",
}  # fmt: skip

# Capitals of mode 2 that look like another sign than their small letter does; the others share its sign.
LOOKS_OF_CAPITALS = {
    "А": "A", "Д": "D", "Е": "E", "Ё": "E", "И": "U", "Й": "U", "К": "K", "О": "O", "П": "N", "Р": "P", "С": "C",
    "Т": "T", "У": "Y", "Х": "X",
    "Є": "E", "І": "I", "Ї": "I", "Ў": "Y", "Ә": "E", "Қ": "K", "Ө": "O",
}  # fmt: skip

# Signs of Russian typography and keyboards that GSM 7 bit lacks; in both modes.
SIGNS = {
    "№": "No",
    "«": '"', "»": '"', "“": '"', "”": '"', "„": '"', "‟": '"', "″": '"',
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "ʼ": "'", "ʹ": "'", "`": "'", "´": "'",
    "‹": "<", "›": ">",
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-",
    "…": "...", "•": "*", "·": ".", "×": "x",
    "₽": "RUB", "₴": "UAH", "₸": "KZT", "©": "(c)", "®": "(R)", "™": "(TM)",
    "\t": " ", "\u00a0": " ", "\u2002": " ", "\u2003": " ", "\u2009": " ", "\u202f": " ",
    "\u00ad": "", "\u200b": "", "\u2060": "", "\ufeff": "",  # soft hyphen and spaces of no width
    "\u0300": "", "\u0301": "",  # stress marks over vowels
}  # fmt: skip

AS_IS = 0
BY_SOUND = 1
BY_LOOK = 2

_BY_SOUND = str.maketrans(SIGNS | SOUNDS | {letter.upper(): sound.capitalize() for letter, sound in SOUNDS.items()})
_BY_LOOK = str.maketrans(SIGNS | LOOKS | {letter.upper(): look for letter, look in LOOKS.items()} | LOOKS_OF_CAPITALS)

# Capitals spelled by several letters: "Щ" is "Shch" in "Щука" but "SHCH" in "ЩУКА".
_LONG_CAPITALS = {letter.upper(): sound.upper() for letter, sound in SOUNDS.items() if len(sound) > 1}
_LONG_CAPITAL_SET = frozenset(_LONG_CAPITALS)

# й and ё, ї and ў typed as a letter with a mark after it, as some systems send them.
_COMPOSED = {"и\u0306": "й", "И\u0306": "Й", "е\u0308": "ё", "Е\u0308": "Ё",
             "і\u0308": "ї", "І\u0308": "Ї", "у\u0306": "ў", "У\u0306": "Ў"}  # fmt: skip


def transliterate(text: str, mode: int) -> str:
    """Return `text` in Latin letters: mode 0 as it is, 1 by sound, 2 by look (sending spec 4.3).

    Characters outside the tables stay, so a text of other scripts or with emoji still needs UCS-2.

    Raises:
        ValueError: another mode.
    """
    if mode == AS_IS or (mode in (BY_SOUND, BY_LOOK) and text.isascii() and "`" not in text and "\t" not in text):
        return text
    if mode not in (BY_SOUND, BY_LOOK):
        raise ValueError(f"transliteration mode {mode} is not 0, 1 or 2")
    if "\u0306" in text or "\u0308" in text:
        for pair, letter in _COMPOSED.items():
            text = text.replace(pair, letter)
    if mode == BY_LOOK:
        return text.translate(_BY_LOOK)
    if not _LONG_CAPITAL_SET.isdisjoint(text):
        text = _spell_capitals(text)
    return text.translate(_BY_SOUND)


def _spell_capitals(text: str) -> str:
    """Return `text` with the long capitals inside words of capitals spelled in capitals throughout."""
    spelled = list(text)
    for at, letter in enumerate(text):
        if letter in _LONG_CAPITAL_SET:
            before, after = text[at - 1 : at], text[at + 1 : at + 2]
            if after.isupper() or (before.isupper() and not after.islower()):
                spelled[at] = _LONG_CAPITALS[letter]
    return "".join(spelled)

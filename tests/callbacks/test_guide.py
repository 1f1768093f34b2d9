"""The example of docs/callbacks.md, as readers will paste it."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from heliograph.callbacks.payloads import render_incoming, sign
from heliograph.callbacks.plans import parse_plan
from heliograph.core.news import Incoming

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "callbacks.md"
TEXT = Incoming(31, "79991234567", "79037654321", "Привет", 1, 2)


@pytest.fixture
def example() -> dict[str, Any]:
    """The functions of the Python example."""
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    return names


def test_signature_is_checked_as_the_guide_says(example: dict[str, Any]) -> None:
    """With the new key, with the old one, and not with another, for another body or after an hour."""
    body, now = render_incoming(parse_plan("http://x/"), TEXT), int(time.time())
    header = sign(body, ("new", "old"), now).decode()
    check = example["check"]
    assert check(body, header, b"new") and check(body, header, b"old")
    assert not check(body, header, b"other") and not check(body + b"&a=1", header, b"new")
    assert not check(body, sign(body, ("new",), now - 3600).decode(), b"new")


def test_form_is_read_as_the_guide_says(example: dict[str, Any]) -> None:
    """Cyrillic included."""
    assert example["read"](render_incoming(parse_plan("http://x/"), TEXT))["mes"] == "Привет"

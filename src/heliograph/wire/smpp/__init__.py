"""SMPP 3.4 as tables, a codec and a session (SMPP Protocol Specification v3.4, Issue 1.2)."""

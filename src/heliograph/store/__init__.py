"""Durable state: SQL by name on SQLite or PostgreSQL (design section 9)."""

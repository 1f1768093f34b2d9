"""Codecs that could be published: they import nothing of Heliograph's."""

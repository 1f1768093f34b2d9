"""Heliograph: a self-hosted SMS centre whose API is that of the SMSC service."""

"""The vocabulary of the SMSC API, described once."""

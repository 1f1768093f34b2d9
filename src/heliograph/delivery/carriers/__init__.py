"""The carrier contract and one file for each kind of carrier."""

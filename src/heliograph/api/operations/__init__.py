"""One file for each documented page of the reference API."""

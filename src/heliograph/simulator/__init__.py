"""A carrier to talk to: an SMPP server with scripted behaviour."""

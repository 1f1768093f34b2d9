"""Sockets in: each door translates and hands a Submission to the services."""

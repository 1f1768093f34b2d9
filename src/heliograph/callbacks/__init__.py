"""The loop that tells customers about their messages."""

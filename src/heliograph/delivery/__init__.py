"""The loop that empties the queue into carriers."""

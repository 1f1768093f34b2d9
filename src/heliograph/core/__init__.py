"""Records, rules and reasons: no await, no clock, no randomness, no SQL."""

"""One pure step: (input, now) -> effects. No socket, no clock, no entropy of its own, no disk."""

"""The commands: what they are called, what they take, where their answer goes. Nothing here knows a key."""

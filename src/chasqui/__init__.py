"""chasqui: sealed group text and files over any path there is."""

__version__ = "0.1.0"

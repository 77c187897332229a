"""chasqui: sealed group text and files over any path there is."""

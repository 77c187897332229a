"""The figures of chasqui: each module has `figures()`, `python3 dev.py bench` prints them all."""

"""What `dev.py` does when more than an exec is asked for. Not part of the package that is installed."""

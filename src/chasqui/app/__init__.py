"""The top floor: command line, service, daemon, demo."""

"""The demo: real processes talk over a LAN and a stick, beside what a watcher of both sees (docs/demo.md)."""

"""`python3 dev.py bench [NAME ...] [--json] [--write-docs]`."""

from __future__ import annotations

import argparse
import sys

from bench import report


def main() -> int:
    """Measures and prints. Exit code 1 where a module failed."""
    parser = argparse.ArgumentParser(prog="dev.py bench")
    parser.add_argument("name", nargs="*", help=f"some of: {', '.join(report.names()) or 'none yet'}")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--write-docs", action="store_true", help="write docs/figures.md, too")
    options = parser.parse_args()
    unknown = set(options.name) - set(report.names())
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there is {', '.join(report.names())}")
    if options.write_docs and options.name:
        parser.error("--write-docs writes all figures: give no NAME")
    done = report.measure(options.name or report.names())
    print(report.as_json(done) if options.json else report.as_text(done))
    if options.write_docs:
        report.DOCUMENT.write_text(report.as_markdown(done), encoding="utf-8")
    if done.failed:
        print(f"failed: {', '.join(done.failed)}", file=sys.stderr)
    return bool(done.failed)


if __name__ == "__main__":
    sys.exit(main())

"""`python3 dev.py bench [NAME ...] [--json] [--write-docs]`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import NoReturn

from bench import report


class _Parser(argparse.ArgumentParser):
    """With --json an error is a document, too."""

    def error(self, message: str) -> NoReturn:
        if "--json" in sys.argv[1:]:
            todo = "`python3 dev.py bench --help` shows how."
            print(json.dumps({"error": {"code": "usage", "message": message, "safety": "", "todo": todo}}))
        super().error(message)


def main() -> int:
    """Measures and prints. Exit code 1 where a module failed."""
    parser = _Parser(prog="dev.py bench")
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
    print(json.dumps(json.loads(report.as_json(done))) if options.json else report.as_text(done))
    if options.write_docs:
        report.DOCUMENT.write_text(report.as_markdown(done), encoding="utf-8")
    if done.failed:
        print(f"failed: {', '.join(done.failed)}", file=sys.stderr)
    return bool(done.failed)


if __name__ == "__main__":
    sys.exit(main())

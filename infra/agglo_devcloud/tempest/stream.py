"""Read subunit on stdin, write one JSON object per test on stdout.

Run by the interpreter of Tempest's environment, which has the libraries for it; nothing of this package is imported.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import subunit
import testtools


def main() -> None:
    """Convert until the end of stdin."""
    result = testtools.StreamToDict(_write)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name="output").run(result)
    result.stopTestRun()


def _write(test: dict[str, Any]) -> None:
    if test["status"] == "exists":  # it was found, and says so before it is run
        return
    start, end = test["timestamps"]
    line = {
        "id": test["id"],
        "status": test["status"],
        "seconds": (end - start).total_seconds() if start and end else 0.0,
        "details": {name: content.as_text() for name, content in test["details"].items()},
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

"""What people read of a run: the table, why tests were left out, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from agglo_devcloud.tempest.exclusions import Exclusions
from agglo_devcloud.tempest.results import Result, Row, reasons
from agglo_devcloud.tempest.selection import Selection

_HEAD = ("suite", "passed", "failed", "known failures", "share", "skipped", "excluded", "seconds")


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The figures. ``share`` is what part passed of the tests that apply; seconds are those of all tests together."""
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    for first, *others in cells:
        figures = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *figures))


def _cells(row: Row) -> tuple[str, ...]:
    figures = (row.passed, row.failed, row.known_failures)
    rest = (row.skipped, row.does_not_apply)
    return (row.suite, *map(str, figures), f"{row.share:.1%}", *map(str, rest), f"{row.seconds:.0f}")


def left_out(selection: Selection, results: Sequence[Result], exclusions: Exclusions) -> Iterator[str]:
    """What was not run: excluded tests with their reasons, switches that are off, and what Tempest skipped."""
    counted = Counter(f"{why}: {reason}" for _, why, reason in selection.excluded)
    for text, number in counted.items():
        yield f"{number:5}  {text}"
    for text, number in reasons(results):
        yield f"{number:5}  skipped by Tempest: {text}"
    for switch, text in exclusions.switched_off.items():
        yield f"       switched off: {switch}: {text}"


def failures(results: Iterable[Result], *, whole: bool) -> Iterator[str]:
    """What failed: the last line of why, or the ``whole`` of it."""
    for result in results:
        if result.state == "failed":
            text = result.text.strip()
            yield f"{result.test.name}\n    {text if whole else _last_line(text)}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no traceback"

"""Start a cloud, run Tempest's suites against it, say what became of them, and remove the cloud."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from agglo_devcloud import environment, host, install, lifecycle, ovn, settings, slots
from agglo_devcloud.errors import DevCloudError
from agglo_devcloud.jobs import Job, Task
from agglo_devcloud.layout import Layout, cache
from agglo_devcloud.progress import Lines, Progress, step
from agglo_devcloud.settings import write_private
from agglo_devcloud.tempest import conf, exclusions, report, results, run, selection
from agglo_devcloud.tempest.exclusions import Exclusions
from agglo_devcloud.tempest.prepare import prepare
from agglo_devcloud.tempest.results import Event, Result
from agglo_devcloud.tempest.selection import Selection

_SAY_EVERY = 30.0  # seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit code: 0 when enough passed and nothing failed that is not known to, 130 when interrupted."""
    wanted = _parser().parse_args(arguments)
    progress = Lines(sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as an interrupt: the cloud is removed
    try:
        excluded = exclusions.load()
        with _cloud(wanted.cloud, keep=wanted.keep, progress=progress) as layout:
            return _test(layout, wanted, excluded, progress)
    except DevCloudError as error:
        print(f"error: {error.message}", *([f"try:   {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tempest", description="OpenStack's own tests against an embedded cloud.")
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"{', '.join(selection.SUITES)}; all by default", type=_suite
    )
    parser.add_argument("--cloud", metavar="NAME", help="use the embedded cloud of this name, and leave it there")
    parser.add_argument("--keep", action="store_true", help="leave the cloud there at the end")
    parser.add_argument(
        "--match", metavar="REGEX", default="", help="only tests whose names have this in them", type=_pattern
    )
    parser.add_argument("--concurrency", default=2, metavar="N", help="tests at a time (2)", type=_positive)
    return parser


def _suite(name: str) -> str:
    if name not in selection.SUITES:
        raise argparse.ArgumentTypeError(f"there is no suite '{name}'; there is {', '.join(selection.SUITES)}")
    return name


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no regular expression: {error}") from error
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 1")
    return int(text)


@contextmanager
def _cloud(name: str | None, *, keep: bool, progress: Progress) -> Iterator[Layout]:
    """An embedded cloud that is up, with Tempest's environment; removed at the end unless it is to stay."""
    own = name or f"tempest{os.getpid() % 100_000}"
    host.check(slots.propose(own))
    layout = slots.allot(own)

    def start(task: Task) -> None:
        lifecycle.up(layout, install.places(), task.progress)

    try:
        cloud = Job("cloud", start, after=(install.ENVIRONMENT, install.DATABASE))
        install.ensure(progress, beside=[cloud], more=[environment.tempest()])
        yield layout
    finally:
        if name or keep:
            progress.update("cloud", f"stays there; it goes with: agglo dev reset --name {own}")
        else:
            lifecycle.reset(layout, progress)
            slots.release(layout)


def _test(layout: Layout, wanted: argparse.Namespace, excluded: Exclusions, progress: Progress) -> int:
    """Run what is ``wanted`` and print the report; the exit code."""
    with step(progress, "tempest", "making flavors and images"):
        made = prepare(layout, install.places().image)
        run.set_up(layout)
        known = settings.load_or_make(layout)
        run.configure(layout, conf.text(layout, known, made, run.workspace(layout), excluded.switched_off))
    names = run.names(layout)
    chosen = selection.select(names, wanted.suites or selection.SUITES, excluded, wanted.match)
    settled = _results(layout, chosen, wanted.concurrency, progress)
    rows = list(results.rows(chosen, settled))
    unused = excluded.unused(selection.Case(name).name for name in names)
    _print(
        ("failed", report.failures(settled, whole=False)),
        ("left out", report.left_out(chosen, settled, excluded)),
        ("exclusions that match no test of Tempest's", unused),
        ("", report.table(rows)),
    )
    details = cache() / "tempest-failures.txt"
    write_private(details, "\n\n".join(report.failures(settled, whole=True)))
    print(f"\nfailures in full: {details}")
    return 0 if all(row.good for row in rows) and not unused else 1


def _results(layout: Layout, chosen: Selection, concurrency: int, progress: Progress) -> list[Result]:
    """What became of the tests; what failed while the switch aborted is run once more, any other failure stands."""
    before = ovn.aborts(layout)
    settled = results.settle(chosen, _watched(layout, chosen, concurrency, progress))
    failed = tuple(result.test for result in settled if result.state == "failed" and result.test in chosen.run)
    if not failed or ovn.aborts(layout) == before:
        return settled
    progress.update("tempest", "the switch aborted meanwhile: what failed is run once more")
    again = Selection(chosen.suites, failed, ())
    return results.replace(settled, results.settle(again, _watched(layout, again, concurrency, progress)))


def _watched(layout: Layout, chosen: Selection, concurrency: int, progress: Progress) -> Iterator[Event]:
    """Run the tests and say now and then how far it is."""
    failed, spoke = 0, time.monotonic()
    progress.update("tempest", f"{len(chosen.run)} tests")
    for ended, event in enumerate(run.run(layout, chosen.run, concurrency), 1):
        if event.state == "failed":
            failed += 1
            progress.update("tempest", f"{event.id} failed")
        if time.monotonic() - spoke > _SAY_EVERY:
            spoke = time.monotonic()
            progress.update("tempest", f"{ended} of {len(chosen.run)} done, {failed} failed")
        yield event


def _print(*parts: tuple[str, Iterator[str] | Sequence[str]]) -> None:
    """Each part that says something, under its title."""
    for title, lines in parts:
        said = list(lines)
        if said:
            print("", *([f"{title}:"] if title else []), *said, sep="\n")


if __name__ == "__main__":
    sys.exit(main())

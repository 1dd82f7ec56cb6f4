"""Verification: pytest-testinfra on each guest, side by side, and pages through the edge as a citizen opens them."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as Xml

import urllib3

from agglo.adapters.connection import Connection
from agglo.adapters.protocols import HttpCheck, Say
from agglo.guest import Guest
from agglo.records import Verified
from agglo.stack import StackId

_TIMEOUT = 300  # seconds for all checks of one guest
_SETTLE = 10.0  # seconds between two looks at what is not as it should be
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL")


@dataclass(frozen=True)
class _Result:
    stack: StackId
    passed: int
    failures: tuple[str, ...]


class TestinfraChecks:
    """Checks below ``root``, run through the session's ssh configuration; results are kept in ``<state>/checks``."""

    def __init__(self, root: Path, connection: Connection, edge: str, now: Callable[[], datetime]) -> None:
        self._root = root
        self._connection = connection
        self._edge = edge
        self._now = now

    def run(
        self, guests: Sequence[Guest], pages: Sequence[HttpCheck], session: Path, say: Say
    ) -> Mapping[StackId, Verified]:
        """Verify; results by stack. What is not as it should be is looked at once more: a service may be settling."""
        checked = [guest for guest in guests if guest.checks]
        say(f"checking {len(checked)} guests and {len(pages)} pages")
        with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
            on_guests = pool.map(lambda guest: _twice(lambda: self._guest(guest, session)), checked)
            on_pages = pool.map(lambda page: _twice(lambda: self._page(page)), pages)
            results = [*on_guests, *on_pages]
        by_stack: dict[StackId, list[_Result]] = defaultdict(list)
        for result in results:
            by_stack[result.stack].append(result)
        return {stack: self._verified(found) for stack, found in by_stack.items()}

    def _verified(self, results: Sequence[_Result]) -> Verified:
        failures = tuple(failure for result in results for failure in result.failures)
        return Verified(at=self._now(), passed=sum(r.passed for r in results), failed=len(failures), failures=failures)

    def _guest(self, guest: Guest, session: Path) -> _Result:
        folder = self._connection.state / "checks"
        folder.mkdir(parents=True, exist_ok=True)
        context, report = folder / f"{guest.name}.json", folder / f"{guest.name}.xml"
        context.write_text(json.dumps(dict(guest.check_context)))
        report.unlink(missing_ok=True)
        done = subprocess.run(
            [
                sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull,
                f"--rootdir={self._root}", f"--hosts=ssh://{guest.name}", f"--ssh-config={session / 'ssh_config'}",
                f"--junitxml={report}", *(str(self._root / check) for check in guest.checks),
            ],
            env={
                **{name: os.environ[name] for name in _KEPT if name in os.environ},
                "AGGLO_CHECK_CONTEXT": str(context),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True, text=True, timeout=_TIMEOUT, check=False,
        )  # fmt: skip
        if not report.is_file():
            last = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
            return _Result(guest.stack, 0, (f"{guest.name}: the checks did not run: {last[-1]}",))
        return _Result(guest.stack, *_read_junit(report, guest.name))

    def _page(self, page: HttpCheck) -> _Result:
        what = f"https://{page.host}{page.path}"
        try:
            status, text = self._get(page)
        except urllib3.exceptions.HTTPError as error:
            return _Result(page.stack, 0, (f"{what}: {_last_cause(error)}",))
        if status != page.status:
            return _Result(page.stack, 0, (f"{what}: answered {status}",))
        if page.contains not in text:
            return _Result(page.stack, 0, (f"{what}: does not say '{page.contains}'",))
        return _Result(page.stack, 1, ())

    def _get(self, page: HttpCheck) -> tuple[int, str]:
        """GET through the edges; the certificate must be valid for the host."""
        host = page.host
        # a page in maintenance says when to come back: minutes that a check does not wait for
        retries = urllib3.Retry(
            3, backoff_factor=0.3, status_forcelist={503} - {page.status}, respect_retry_after_header=False
        )
        address, _, port = (self._connection.edge or f"{self._edge}:443").rpartition(":")
        trust = ssl.create_default_context(cafile=str(self._connection.ca) if self._connection.ca else None)
        with urllib3.HTTPSConnectionPool(
            address, int(port), server_hostname=host, assert_hostname=host, ssl_context=trust,
            timeout=urllib3.Timeout(10), retries=retries,
        ) as pool:  # fmt: skip
            answer = pool.request("GET", page.path, headers={"Host": host})
            return answer.status, answer.data.decode("utf-8", "replace")


def _twice(look: Callable[[], _Result]) -> _Result:
    result = look()
    if result.failures:
        time.sleep(_SETTLE)
        return look()
    return result


def _read_junit(report: Path, guest: str) -> tuple[int, tuple[str, ...]]:
    """Passed checks and one line per failed, broken or skipped one: what should run and does not is a failure."""
    cases = list(Xml.parse(report).getroot().iter("testcase"))  # noqa: S314  our own pytest wrote it
    failures = [
        f"{guest}: {case.get('name')}: {(bad.get('message') or bad.tag).splitlines()[0]}"
        for case in cases
        for bad in case
        if bad.tag in ("failure", "error", "skipped")
    ]
    return len(cases) - len(failures), tuple(failures) if cases else (f"{guest}: no check was found",)


def _last_cause(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return _last_cause(reason) if isinstance(reason, BaseException) else str(error)

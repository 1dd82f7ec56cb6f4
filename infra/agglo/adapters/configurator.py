"""Ansible through ansible-runner: one run over all guests that are due, through the bastion."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from agglo.adapters.connection import Connection
from agglo.adapters.interrupt import uninterrupted
from agglo.adapters.protocols import RunReport, Say, Vault
from agglo.adapters.ssh import open_session
from agglo.errors import ConfigureFailed
from agglo.guest import Guest, inventory, play, playbook

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "USER", "SSL_CERT_FILE")
_RUNS_KEPT = 20


class AnsibleConfigurator:
    """Runs in ``<state>/runs/<time>``; ``user`` is the guests' user; ``stamp`` names a run."""

    def __init__(self, root: Path, connection: Connection, vault: Vault, user: str, stamp: Callable[[], str]) -> None:
        self._root = root
        self._connection = connection
        self._vault = vault
        self._user = user
        self._stamp = stamp

    def session(self, guests: Sequence[Guest], keys: Mapping[str, tuple[str, ...]]) -> AbstractContextManager[Path]:
        """A folder with a short-lived key, its certificate, ``ssh_config`` and known hosts; gone afterwards."""
        return open_session(guests, keys, self._user, self._vault, self._connection)

    def run(
        self, guests: Sequence[Guest], due: Sequence[str], session: Path, say: Say, only: str | None = None
    ) -> Mapping[str, RunReport]:
        """Run the playbooks on the ``due`` guests in one go: all, or ``only`` one (its path below the root).

        Ansible ends when all guests of one play have failed: the others are then played again, without those, so that
        each has all of its plays behind it. Raises ConfigureFailed when Ansible itself did not run.
        """
        reports = self._play(guests, due, session, say, only)
        well = [name for name in due if not reports[name].failure]
        if only is None and 0 < len(well) < len(due):
            for name, report in self.run(guests, well, session, say).items():
                reports[name] = RunReport(reports[name].changed + report.changed, report.failure)
        return reports

    def _play(
        self, guests: Sequence[Guest], due: Sequence[str], session: Path, say: Say, only: str | None
    ) -> dict[str, RunReport]:
        import ansible_runner  # noqa: PLC0415  a skip does not need it

        folder = self._prepare(guests, only)
        self._write_tokens([g for g in guests if g.name in due], session)
        failures: dict[str, str] = {}

        def note(event: dict[str, Any]) -> bool:
            _note(event, failures, say)
            return True

        stopped = threading.Event()
        with _environment(self._environment(session)):
            result = uninterrupted(
                lambda: ansible_runner.run(
                    private_data_dir=str(folder),
                    project_dir=str(folder),
                    playbook="site.json",
                    inventory=str(folder / "inventory.json"),
                    limit=",".join(due),
                    ident="artifacts",
                    quiet=True,
                    suppress_env_files=True,
                    event_handler=note,
                    cancel_callback=stopped.is_set,
                ),
                stopped.set,
            )
        (session / "tokens.json").unlink(missing_ok=True)
        if result.stats is None or not (result.stats.get("processed") or failures):
            output = folder / "artifacts" / "artifacts" / "stdout"
            raise ConfigureFailed(f"Ansible did not run ({result.status}): {_tail(output)}", hint=f"see {output}")
        changed = result.stats.get("changed", {})
        return {name: RunReport(int(changed.get(name, 0)), failures.get(name, "")) for name in due}

    def put(self, guest: str, path: str, text: str, session: Path) -> None:
        """Replace a small file on a guest, readable by all. Raises ConfigureFailed."""
        write = f"cat >{path}.new && chmod 0644 {path}.new && mv {path}.new {path}"
        command = ["ssh", "-F", str(session / "ssh_config"), guest, f"sudo sh -c '{write}'"]
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        if done.returncode:
            raise ConfigureFailed(f"{guest}: {path} could not be written: {done.stderr.strip()}", hint="agglo verify")

    def _prepare(self, guests: Sequence[Guest], only: str | None) -> Path:
        runs = self._connection.state / "runs"
        folder = runs / self._stamp()
        for guest in guests:
            for name, text in guest.files.items():
                path = folder / "rendered" / guest.name / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "inventory.json").write_text(json.dumps(inventory(guests, folder / "rendered"), indent=1))
        plays = [play(self._root, only, "all")] if only else playbook(guests, self._root)
        (folder / "site.json").write_text(json.dumps(plays, indent=1))
        _forget_old(runs)
        return folder

    def _write_tokens(self, guests: Sequence[Guest], session: Path) -> None:
        """Tokens of minutes for the ``secret`` lookup, one per commune whose guests are due; removed after the run."""
        tenants = sorted({guest.code for guest in guests if guest.code and guest.secrets})
        tokens = {code: self._vault.commune_token(code) for code in tenants}
        path = session / "tokens.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(tokens))

    def _environment(self, session: Path) -> dict[str, str]:
        """What Ansible's processes get: nothing of ours but paths, since ansible-runner writes its environment down."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {
            **kept,
            **self._vault.client_environment(),
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "ANSIBLE_CONFIG": str(self._root / "playbooks" / "ansible.cfg"),
            "ANSIBLE_SSH_ARGS": f"-F {session / 'ssh_config'}",
            "ANSIBLE_LOCAL_TEMP": str(session / "ansible"),
            "ANSIBLE_HOST_KEY_CHECKING": "True",
            "AGGLO_TOKENS_FILE": str(session / "tokens.json"),
        }


def _note(event: Mapping[str, Any], failures: dict[str, str], say: Say) -> None:
    data = event.get("event_data", {})
    host, task = data.get("host"), data.get("task", "")
    kind = event.get("event")
    if kind == "playbook_on_task_start":
        say(task)
    elif kind in ("runner_on_failed", "runner_on_unreachable") and host and not data.get("ignore_errors"):
        failures[host] = f"{task}: {_message(data.get('res', {}))}"


def _message(result: Mapping[str, Any]) -> str:
    text = str(result.get("stderr") or result.get("msg") or result.get("stdout") or "failed")
    return text.strip().splitlines()[-1] if text.strip() else "failed"


def _tail(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.is_file() else []
    return lines[-1] if lines else "it said nothing"


def _forget_old(runs: Path) -> None:
    for old in sorted(p for p in runs.iterdir() if p.is_dir())[:-_RUNS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _environment(only: Mapping[str, str]) -> Iterator[None]:
    """This process's environment is ``only`` these variables for a while (ansible-runner copies all of it)."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(only)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

"""Records as JSON files beside the engine's state, written in one step; locks that end with their process."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pydantic

from agglo.errors import AggloError, Locked
from agglo.records import Record
from agglo.stack import Kind, StackId


class FileRecords:
    """Records below ``<state>/records``, one file per stack."""

    def __init__(self, state: Path) -> None:
        self._records = state / "records"
        self._locks = state / "locks"

    def load(self, stack: StackId) -> Record | None:
        """The stack's record, if it has one."""
        path = self._path(stack)
        try:
            return Record.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except pydantic.ValidationError as error:
            raise AggloError(
                f"{path} is not a record that this agglo understands: {error.errors()[0]['msg']}",
                hint="move the file away and run agglo apply: what is there will be taken over from the engine's state",
            ) from error

    def load_all(self) -> Mapping[StackId, Record]:
        """All records, in the order of stacks."""
        stacks = sorted(StackId(Kind(p.parent.name), p.stem) for p in self._records.glob("*/*.json"))
        return {stack: record for stack in stacks if (record := self.load(stack))}

    def save(self, stack: StackId, record: Record) -> None:
        """Replace the stack's record in one step."""
        write_atomically(self._path(stack), record.model_dump_json(indent=1, exclude_none=True) + "\n")

    def remove(self, stack: StackId) -> None:
        """Forget a stack."""
        self._path(stack).unlink(missing_ok=True)

    @contextmanager
    def lock(self, stacks: Iterable[StackId]) -> Iterator[None]:
        """Hold the stacks alone, in a fixed order. Raises Locked, naming the process that holds one."""
        with ExitStack() as held:
            for stack in sorted(stacks):
                held.enter_context(self._lock(stack))
            yield

    @contextmanager
    def _lock(self, stack: StackId) -> Iterator[None]:
        path = self._locks / f"{stack.kind}-{stack.name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                raise Locked(
                    f"{stack} is being changed by another run ({file.read().strip()})", hint="wait for it"
                ) from error
            file.truncate(0)
            file.write(f"process {os.getpid()}")
            file.flush()
            yield
            file.truncate(0)

    def _path(self, stack: StackId) -> Path:
        return self._records / stack.kind / f"{stack.name}.json"


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` so that a reader sees the old file or the new one, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)

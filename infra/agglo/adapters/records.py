"""Records as JSON files beside the engine's state, written in one step; locks that end with their process."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

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
    def lock(self, stacks: Iterable[StackId], shared: Iterable[StackId] = ()) -> Iterator[None]:
        """Hold the stacks alone, and the ``shared`` ones with others that share them, in a fixed order.

        Raises Locked, naming the process that changes one.
        """
        alone = set(stacks)
        with ExitStack() as held:
            for stack in sorted({*alone, *shared}):
                held.enter_context(self._lock(stack, alone=stack in alone))
            yield

    @contextmanager
    def edges(self, say: Callable[[str], None]) -> Iterator[None]:
        """Have the edges alone, after whoever has them."""
        with self._open("edges") as file:
            if not _try(file, fcntl.LOCK_EX):
                say("waiting for another run to publish its routes")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _lock(self, stack: StackId, *, alone: bool) -> Iterator[None]:
        with self._open(f"{stack.kind}-{stack.name}") as file:
            if not _try(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
                file.seek(0)
                owner = file.read().strip()
                does = f"being changed by another run ({owner})" if owner else "in use by another run"
                raise Locked(f"{stack} is {does}", hint="wait for it")
            file.truncate(0)
            if alone:
                file.write(f"process {os.getpid()}")
                file.flush()
            yield
            if alone:
                file.truncate(0)

    def _open(self, name: str) -> TextIO:
        self._locks.mkdir(parents=True, exist_ok=True)
        return (self._locks / name).open("a+")

    def _path(self, stack: StackId) -> Path:
        return self._records / stack.kind / f"{stack.name}.json"


def _try(file: TextIO, how: int) -> bool:
    """Lock the file if nobody stands against it."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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

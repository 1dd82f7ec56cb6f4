"""33 landing zones from nothing: agglo beside one OpenTofu root module, on one embedded cloud, in one run. As root:

    .venv/bin/python bench/fleet.py [--communes N]

Both make the same resources from the same files, one after the other, each from nothing; the metro stack is agglo's
for both. Memory is the highest sum over a command's processes (proportional set size, looked at five times a second).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from main_job import AGGLO, ROOT, project
from opentofu import RootModule, Tools, tools

from agglo.adapters.cloud import OpenStackCloud
from agglo.adapters.connection import Connection, connect, read_env_file
from agglo.adapters.files import load_project
from agglo.adapters.records import FileRecords
from agglo.commune import luhn
from agglo.stack import Inputs, Kind, Site, commune_target, make_spec, metro_target
from agglo_devcloud import slots

NAME = "fleet"
ALL = 33
LIMIT = 3600  # seconds for one command
LOOK = 0.2  # seconds between two looks at the memory
DIFFERENCES = """
The two do not do quite the same:
- agglo also makes, for each commune, the service user's application credential and the Vault's paths, policy and keys,
  and keeps one state per commune, its secrets under that commune's key; OpenTofu keeps one state.
- agglo's plan compares digests of files, records and states, and reads nothing of the cloud when nothing has changed;
  OpenTofu's reads every resource. With -refresh=false it reads three roles only: that is the like of agglo's.
- agglo runs one engine per core, each on one commune; OpenTofu runs 10 operations at once over all. Both are defaults.
- agglo's 'destroy all' includes the metro stack with its two guests, which OpenTofu's has not.
"""


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds, and peak memory in MiB."""

    seconds: float
    memory: float


def run(command: Sequence[str | Path], environment: Mapping[str, str]) -> Cost:
    """Run a command to its end. SystemExit with its last words when it fails or takes too long."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.monotonic()
        with subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
            with watched(process.pid) as peak, contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LIMIT)
            spent = time.monotonic() - start
            process.terminate()
        if process.returncode:
            output.seek(0)
            said = "".join(output.readlines()[-40:])
            raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{said}")
    return Cost(spent, max(peak) / 2**20)


@contextlib.contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """Bytes of memory of a process and all below it, each time somebody looked."""
    seen, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(LOOK):
            seen.append(sum(map(memory, family(pid))))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    with contextlib.suppress(OSError):  # it has just ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from family(int(child))


def memory(pid: int) -> int:
    """Proportional set size in bytes; 0 for a process that has just ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def agglo(root: Path, *arguments: str) -> Cost:
    """Run agglo's command line."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {"AGGLO_DEV_CLOUD": NAME, "PATH": path, "HOME": str(Path.home())}
    return run([AGGLO, "--root", root, *arguments], environment)


def cloud_memory() -> float:
    """Memory of the cloud with its guests, in MiB."""
    command: list[str | Path] = [AGGLO, "dev", "status", "--name", NAME, "--json"]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(json.loads(answer)["memory"]) / 2**20


def keep(root: Path, count: int) -> None:
    """The first ``count`` communes, and no request of any."""
    folders = sorted(folder for folder in (root / "stacks/communes").iterdir() if folder.is_dir())
    for folder in folders[count:]:
        shutil.rmtree(folder)
    for folder in folders[:count]:
        for file in folder.glob("*.yaml"):
            if file.name != "commune.yaml":
                file.unlink()


def add_commune(root: Path, number: int) -> str:
    """One more commune, which does not exist; its slug."""
    insee, slug = f"6799{number}", f"bench-{number}"
    siren = next(s for digit in range(10) if luhn(s := f"21670{insee[2:]}{digit}"))
    folder = root / "stacks/communes" / f"{insee}-{slug}"
    folder.mkdir()
    (folder / "commune.yaml").write_text(
        f'insee: "{insee}"\nslug: {slug}\nname: Commune {number}\nsiren: "{siren}"\npostal_codes: ["67000"]\n'
        "population: {count: 2000}\n"
    )
    return slug


def inputs(root: Path, connection: Connection) -> dict[str, Inputs]:
    """What agglo's program of a landing zone is given, by slug of the commune."""
    asked = load_project(root)
    outputs = {stack: record.outputs for stack, record in FileRecords(connection.state).load_all().items()}
    assert metro_target(asked).id in outputs, "the metro stack is not there"
    targets = {c.slug: commune_target(c) for c in asked.communes.values()}
    site = Site("", "", "", "")  # of guests only
    return {slug: make_spec(asked, site, target, outputs).inputs for slug, target in targets.items()}


def measure_opentofu(root: Path, programs: Tools, connection: Connection) -> Iterator[tuple[str, Cost]]:
    """From nothing to nothing with OpenTofu."""
    cloud = OpenStackCloud(connection)
    module = RootModule(root / "opentofu", programs, cloud.environment())
    module.write()

    def tofu(*arguments: str) -> Cost:
        module.ask_for(inputs(root, connection))
        return run(module.command(*arguments, "-input=false", "-no-color"), module.environment)

    yield "apply", tofu("apply", "-auto-approve")
    say_made("OpenTofu", module.resources())
    yield "plan", tofu("plan", "-detailed-exitcode")  # fails if there is a change
    yield "plan blind", tofu("plan", "-detailed-exitcode", "-refresh=false")
    yield "the cloud", Cost(0, cloud_memory())
    add_commune(root, 1)
    yield "one more", tofu("apply", "-auto-approve")
    add_commune(root, 2)
    yield "one more, alone", tofu("apply", "-auto-approve", "-refresh=false")
    start = time.monotonic()
    for domain in module.domains():
        cloud.disable_domain(domain)  # Keystone deletes no other, and the provider does not do it
    disabled = time.monotonic() - start
    done = tofu("destroy", "-auto-approve")
    yield "destroy", Cost(disabled + done.seconds, done.memory)


def measure_agglo(root: Path, connection: Connection) -> Iterator[tuple[str, Cost]]:
    """The same with agglo."""
    yield "apply", agglo(root, "apply", "all", "--yes")
    records = FileRecords(connection.state).load_all()
    engine = next(record.engine for stack, record in records.items() if stack.kind is Kind.COMMUNE)
    say_made("agglo", engine.changes["create"] if engine else 0)
    nothing = agglo(root, "plan", "all", "--detailed-exitcode")  # fails if there is a change
    yield "plan", nothing
    yield "plan blind", nothing
    yield "the cloud", Cost(0, cloud_memory())
    add_commune(root, 1)
    yield "one more", agglo(root, "apply", "all", "--yes")
    yield "one more, alone", agglo(root, "apply", add_commune(root, 2), "--yes")
    yield "destroy", agglo(root, "destroy", "all", "--yes")


def say_made(who: str, count: int) -> None:
    """How many resources a commune has: were it not the same, ``opentofu.tf`` would lag behind agglo's program."""
    print(f"{who:<10}{'resources each':<20}{count:8}", flush=True)


def told(who: str, costs: Iterator[tuple[str, Cost]]) -> dict[str, Cost]:
    """All of them, each said as soon as it is known."""
    known = {}
    for what, cost in costs:
        known[what] = cost
        print(f"{who:<10}{what:<20}{cost.seconds:8.1f} s {cost.memory:8.0f} MiB", flush=True)
    return known


def show(count: int, ours: Mapping[str, Cost], theirs: Mapping[str, Cost]) -> None:
    """Both side by side; a ratio below 1 is in agglo's favour."""
    rows = {
        "apply": f"{count} landing zones, from nothing",
        "plan": "nothing to do: plan",
        "plan blind": "  the same, OpenTofu with -refresh=false",
        "one more": "one more commune, apply over all",
        "one more, alone": "  agglo apply COMMUNE, OpenTofu with -refresh=false",
        "destroy": f"destroy {count + 2} (agglo: and metro)",
    }
    print(f"\n{'':<52}{'seconds':>26}{'MiB at the peak':>26}")
    print(f"{'':<52}" + f"{'agglo':>10}{'OpenTofu':>9}{'ratio':>7}" * 2)
    for what, words in rows.items():
        a, b = ours[what], theirs[what]
        times = f"{a.seconds:10.1f}{b.seconds:9.1f}{a.seconds / b.seconds:7.2f}"
        print(f"{words:<52}{times}{a.memory:10.0f}{b.memory:9.0f}{a.memory / b.memory:7.2f}")
    print(f"{'the cloud and its two guests then':<78}{ours['the cloud'].memory:10.0f}{theirs['the cloud'].memory:9.0f}")
    print(DIFFERENCES)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--communes", type=int, default=ALL, choices=range(1, ALL + 1), metavar="N")
    count = parser.parse_args().communes
    programs = tools()
    try:
        with project() as root:
            keep(root, count)
            agglo(root, "dev", "up", "--name", NAME)
            metro = agglo(root, "apply", "metro", "--yes")
            print(f"{'agglo':<10}{'apply metro':<20}{metro.seconds:8.1f} s {metro.memory:8.0f} MiB", flush=True)
            layout = slots.find(NAME)
            assert layout
            connection = connect(read_env_file(layout.connection_env), root)
            theirs = told("OpenTofu", measure_opentofu(root, programs, connection))
        with project() as root:
            keep(root, count)
            ours = told("agglo", measure_agglo(root, connection))
        show(count, ours, theirs)
    finally:
        agglo(ROOT, "dev", "reset", "--name", NAME)


if __name__ == "__main__":
    main()

"""Progress: lines that change on a terminal, plain lines with the same news in logs."""

from __future__ import annotations

import io
from dataclasses import dataclass

from rich.console import Console

from agglo.errors import EngineFailed
from agglo.outcome import Ended
from agglo.world import Progress
from agglo_cli.console import Voice

FAILED = Ended(3.0, None, EngineFailed("commune/67043: quota\nexceeded [10]"))


@dataclass
class Clock:
    """Seconds that a test says."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def voice(*, terminal: bool) -> tuple[Voice, Clock, io.StringIO]:
    clock, out = Clock(), io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, color_system=None, _environ={})
    return Voice(console, clock), clock, out


def test_a_log_has_a_line_when_a_stack_begins_and_when_it_ends() -> None:
    say, clock, out = voice(terminal=False)
    with say.live("applying"):
        say.watch(Progress(3, 0, 0, ("67447-schiltigheim", "67043-bischheim")))
        say("67447-schiltigheim: create Network network")
        clock.now = 1
        say("67447-schiltigheim: create Router router")  # too soon for another line
        clock.now = 12
        say("67447-schiltigheim: create Zone zone")
        say.watch(Progress(3, 1, 0, ("67043-bischheim",), "67447-schiltigheim", Ended(12.3, {"create": 3})))
        say.watch(Progress(3, 1, 1, (), "67043-bischheim", FAILED))
        say.watch(Progress(3, 2, 1, (), "metro", Ended(0.1, None)))  # nothing was to be done: no news
    assert out.getvalue().splitlines() == [
        "   0.0 s  67447-schiltigheim: create Network network",
        "  12.0 s  67447-schiltigheim: create Zone zone",
        "  12.0 s  67447-schiltigheim: done in 12 s (1 of 3 done)",
        "  12.0 s  67043-bischheim: failed after 3 s: commune/67043: quota exceeded [10] (1 of 3 done, 1 failed)",
    ]


def test_a_terminal_shows_a_line_for_each_running_stack_and_keeps_failures_only() -> None:
    say, clock, out = voice(terminal=True)
    with say.live("applying"):
        say.watch(Progress(34, 12, 1, ("67447-schiltigheim", "67519-la-wantzenau")))
        clock.now = 7
        say("67447-schiltigheim: create Network network")
        say("base : Install packages")
        assert shown(say) == [
            "applying  12 of 34 done, 1 failed  base : Install packages",
            "67447-schiltigheim  7 s  create Network network",
            "67519-la-wantzenau  7 s  begins",
        ]
        say.watch(Progress(34, 13, 2, (), "67519-la-wantzenau", FAILED))
        say.watch(Progress(34, 14, 2, (), "67447-schiltigheim", Ended(7.0, {})))
        assert shown(say) == ["applying  14 of 34 done, 2 failed  base : Install packages"]
        with say.paused():
            pass
    said = out.getvalue()
    assert "67519-la-wantzenau: failed after 3 s: commune/67043: quota exceeded [10] (13 of 34 done, 2 failed)" in said
    assert "done in" not in said


def shown(say: Voice) -> list[str]:
    console = Console(file=io.StringIO(), width=100, color_system=None, _environ={})
    with console.capture() as captured:
        console.print(say._shown())
    return [line.strip("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ \n") for line in captured.get().splitlines()]

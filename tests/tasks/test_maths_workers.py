"""math-verify really runs here, and really hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quintet.protocols import TaskError
from quintet.tasks import maths_workers
from quintet.tasks.maths_workers import Workers, equivalent

pytest.importorskip("math_verify", reason="math-verify isn't installed: pip install 'math-verify[antlr4_13_2]'")

POISON = {
    "tower": "9^{9^{9^{9}}}",
    "binomial": r"\binom{1000000}{500000}",
    "sum": r"\sum_{k=1}^{10000000} k^{-2}",
    "parentheses": "(" * 120 + "1" + ")" * 120,
    "factorial": "10000000!",
}
GOOD = (r"2\sqrt{3}", r"\sqrt{12}")


@pytest.fixture
def one() -> Iterator[Workers]:
    workers = Workers(1)
    assert workers.ask([GOOD]) == [True]  # its process is started
    yield workers
    workers.close()


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_poisonous_answer_costs_its_limit_and_its_worker_goes_on(one: Workers, poison: str):
    """A second each is promised; ten are allowed here, because machines that run tests are busy."""
    began = time.monotonic()
    assert one.ask([(r"\pi", poison)]) == [None]
    assert time.monotonic() - began < 10
    (process,) = one.running
    assert one.ask([GOOD, ("x", "y")]) == [True, False]
    assert one.running == [process]


def test_neighbours_of_a_poisonous_answer_are_graded_by_another_worker(monkeypatch: pytest.MonkeyPatch):
    workers, asked = Workers(2, limit=4.0), []
    workers.ask([GOOD] * 2)
    write = maths_workers._write
    monkeypatch.setattr(maths_workers, "_write", lambda process, question: (asked.append(process), write(process, question)))
    assert workers.ask([(r"\pi", POISON["tower"]), *[GOOD] * 20]) == [None, *[True] * 20]
    busy, free = workers.running
    assert asked == [busy, *[free] * 20]
    workers.close()


def test_worker_that_waits_for_a_question_has_all_the_time(one: Workers):
    one.close()
    one.patience = 3.0
    assert one.ask([GOOD]) == [True]
    time.sleep(3.3)
    assert one.ask([GOOD, ("x", "y")]) == [True, False]


def test_verdict_does_not_depend_on_what_else_the_machine_does(one: Workers):
    """A worker that runs for 2 ms and is kept from the processor for 500 needs seconds by the clock."""
    one.close()
    one.limit, one.patience = 0.4, 100.0
    one._start(1)
    questions = [(f"x + {number}", f"{number} + x") for number in range(2)]
    done = threading.Event()
    holds = threading.Thread(target=hold_back, args=(one.running[0].pid, done))
    holds.start()
    try:
        assert one.ask([*questions, ("x", "y")]) == [True] * 2 + [False]
    finally:
        done.set()
        holds.join()


def test_one_that_waits_for_nothing_is_given_up_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "math_verify.py").write_text(
        "import time\n"
        "def parse(text, parsing_timeout): 'wait' in text and time.sleep(60)\n"
        "def verify(right, given, timeout_seconds): return True\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    workers = Workers(1, patience=0.3)
    assert workers.ask([("a", "wait"), ("a", "b")]) == [None, True]
    workers.close()


def test_what_a_library_prints_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "math_verify.py").write_text(
        "def parse(text, parsing_timeout): print('true', flush=True); return text\n"
        "def verify(right, given, timeout_seconds): return right == given\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    workers = Workers(1)
    assert workers.ask([("a", "b"), ("a", "a"), ("b", "a")]) == [False, True, False]
    workers.close()


def test_many_poisonous_answers_are_given_up_one_by_one(one: Workers):
    one.limit = 0.2
    one.close()
    assert one.ask([(r"\pi", POISON["tower"]), GOOD, (r"\pi", POISON["tower"]), GOOD]) == [None, True, None, True]


@pytest.mark.parametrize(
    "answer", ["}", "\\", "\x00", "\ud800", "\\frac{1}", "\\begin{pmatrix}", "%", "∑" * 250, "(" * 250, ""]
)
def test_what_cannot_be_read_is_not_equal(one: Workers, answer: str):
    assert one.ask([("p - q", answer), GOOD]) in ([False, True], [None, True])


def test_worker_that_dies_is_an_error_and_the_next_question_starts_another(one: Workers):
    one.running[0].kill()
    one.running[0].wait()
    with pytest.raises((TaskError, BrokenPipeError)):
        one.ask([(r"\pi", POISON["tower"])])
    assert one.running == []
    assert one.ask([GOOD]) == [True]


def test_no_process_is_left_when_the_workers_are_closed(one: Workers):
    group = one.running[0].pid  # its own session: it and its child
    one.close()
    assert gone(group)


def test_no_process_is_left_when_the_trainer_is_killed(tmp_path: Path):
    program = "from quintet.tasks.maths_workers import _pool, equivalent\n" + (
        f"equivalent([{GOOD!r}])\nprint(_pool().running[0].pid, flush=True)\nequivalent([('x', {POISON['tower']!r})] * 50)\n"
    )
    trainer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert trainer.stdout
    group = int(trainer.stdout.readline())
    time.sleep(0.2)
    trainer.kill()
    trainer.wait()
    trainer.stdout.close()
    assert gone(group)


def hold_back(group: int, done: threading.Event) -> None:
    while not done.is_set():
        os.killpg(group, signal.SIGSTOP)
        time.sleep(0.5)
        os.killpg(group, signal.SIGCONT)
        time.sleep(0.002)


def gone(group: int, seconds: float = 15) -> bool:
    """Whether no process of the group is there any more, or will be soon."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    return False


def test_nothing_is_started_for_no_question():
    assert equivalent([]) == []

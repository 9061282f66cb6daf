from __future__ import annotations

import io
from typing import Any

import pytest
import rich.console

from quintet.observe.check_table import show_check
from quintet.observe.verdicts import NOTE, verdicts

CALLS = {"number": 16, "answers": 8, "median": 0.001, "slowest": 0.002, "total": 0.02, "failed": 0, "failures": []}
REWARD = {"mean": 0.4, "std": 0.3, "lowest": 0.0, "quarter": 0.0, "middle": 0.5, "three_quarters": 1.0, "highest": 1.0}
ESTIMATE = {
    "measured_steps": 2,
    "step_seconds": 3.0,
    "grade_seconds": 0.1,
    "steps": 100,
    "evaluations": 2,
    "evaluation_seconds": 10.0,
    "seconds": 320.0,
    "seconds_if_longest": 700.0,
    "peak_memory_mb": 900.0,
    "memory_mb": 8000.0,
    "sampled_tokens": 512_000.0,
}
EXAMPLE = {"prompt": "2 + 2 = ", "text": "4", "reward": 1.0, "parts": {}, "stop_reason": "eos"}
HEALTHY: dict[str, Any] = {
    "task": "functions",
    "model": "preset:1m",
    "parameters": 10**6,
    "algorithm": "grpo",
    "group_size": 8,
    "temperature": 1.0,
    "max_new_tokens": 128,
    "prompts": 16,
    "sample_seconds": 1.0,
    "calls": CALLS,
    "answers": 128,
    "groups": 16,
    "reward": REWARD,
    "values": [{"from": 0.0, "to": 0.0, "count": 77}, {"from": 1.0, "to": 1.0, "count": 51}],
    "parts": {"right": {"mean": 0.4, "share": 1.0}},
    "groups_with_signal": 12,
    "signal_low": 0.51,
    "signal_high": 0.9,
    "without_reward": 0,
    "cut_off": 2,
    "unparsed": 0,
    "empty": 0,
    "mean_length": 20.0,
    "longest": 128,
    "best": [EXAMPLE],
    "worst": [{**EXAMPLE, "text": "\x1b[2J[red]5", "reward": 0.0, "stop_reason": "length"}],
    "estimate": ESTIMATE,
}


def test_where_nothing_is_wrong_it_says_ready_and_no_more():
    (text,) = verdicts(HEALTHY)
    assert text.startswith("Ready: 12 of 16 groups (95 % interval 51\u202f% to 90\u202f%) have answers that earned")


SAME = {"reward": {**REWARD, "std": 0.0, "mean": 0.0}, "groups_with_signal": 0}


@pytest.mark.parametrize(
    ("changes", "what", "next_"),
    [
        (SAME, "All 128 rewards are 0: no answer is better", "Call the reward on an answer that you know to be right"),
        (SAME | {"group_size": 1}, "All 128 rewards are 0: no answer is better", "Call the reward"),
        (SAME | {"empty": 128}, "All 128 rewards are 0", "All answers are empty"),
        (SAME | {"cut_off": 100}, "All 128 rewards are 0", "set max_new_tokens=256 first"),
        (SAME | {"unparsed": 100}, "All 128 rewards are 0", "show the form in the prompt"),
        ({"groups_with_signal": 0}, "Within each of 16 groups all answers earned the same", "Raise temperature or group_size"),
        ({"groups_with_signal": 1}, "Only 1 of 16 groups", "dapo samples other prompts"),
        ({"without_reward": 128}, "None of 128 answers has a reward", "return 0.0"),
        ({"cut_off": 13}, "10\u202f% of the answers were cut off at max_new_tokens=128", "Set max_new_tokens=256"),
        ({"unparsed": 64}, "50\u202f% of the answers are not in the form", "Show the form"),
        (
            {"calls": {**CALLS, "failed": 3, "failures": ["The reward r raised KeyError: 'a'."]}},
            "3 of 16 reward calls",
            "KeyError",
        ),
        ({"calls": {**CALLS, "slowest": 20.0}}, "The slowest reward call took 20\u202fs for 8 answers", "deadline"),
        ({"estimate": {**ESTIMATE, "grade_seconds": 2.0}}, "The reward takes 67\u202f% of a step", "async def"),
        ({"estimate": {**ESTIMATE, "peak_memory_mb": 7000.0}}, "took 7,000 of 8,000 MiB", "Set micro_batch=8"),
    ],
)
def test_each_trouble_is_said_with_what_to_change(changes: dict[str, Any], what: str, next_: str):
    texts = verdicts(HEALTHY | changes)
    assert not any(text.startswith("Ready") for text in texts)
    (text,) = (t for t in texts if what in t)
    assert next_ in text


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"groups_with_signal": 6}, "in 62\u202f% of the groups"), ({"without_reward": 5}, "5 of 128 answers have no reward")],
)
def test_what_may_be_meant_is_a_note_and_the_run_is_ready_all_the_same(changes: dict[str, Any], what: str):
    ready, note = verdicts(HEALTHY | changes)
    assert ready.startswith("Ready")
    assert note.startswith(NOTE)
    assert what in note


def test_run_without_an_estimate_and_with_no_answer_graded_has_verdicts():
    failed = {**CALLS, "failed": 16, "failures": ["It is broken."]}
    assert verdicts(HEALTHY | {"estimate": None, "answers": 0, "groups": 0, "calls": failed}) == [
        "16 of 16 reward calls failed, and the first that fails ends a run. It is broken."
    ]


def test_page_shows_everything_and_a_models_text_does_nothing():
    out = io.StringIO()
    show_check({**HEALTHY, "verdicts": verdicts(HEALTHY)}, rich.console.Console(file=out, width=200, force_terminal=False))
    page = out.getvalue()
    for text in (
        "128 answers to 16 prompts",
        "in 12 of 16 groups",
        "about 5\u202fmin 20\u202fs, an estimate",
        "[red]5",
        "(cut off)",
    ):
        assert text in page
    assert "900 of 8,000 MiB" in page
    assert "\x1b" not in page

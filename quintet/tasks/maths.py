"""Problems of mathematics with one final answer each: GSM8K, MATH, SVAMP, or a set of the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import count
from typing import Literal

from quintet.data import Prompt, Rollout, Verdict
from quintet.knobs import Fraction, NonNegative
from quintet.protocols import TaskError
from quintet.tasks.maths_answers import Form, commits, final_answer
from quintet.tasks.maths_data import LAYOUTS, Problem, Splits, read_splits
from quintet.tasks.maths_grading import LONGEST, Grade, grade_answers, needs_math_verify, same_for_all
from quintet.tasks.maths_steps import judged_lines
from quintet.tasks.maths_workers import INSTALL, installed

MARKS = {"any": "#### {}", "boxed": "\\boxed{{{}}}", "hashes": "#### {}", "tags": "<answer>{}</answer>"}
"""How a demonstration that lacks it gets its final answer."""
ASKED = {
    "any": "\\boxed{}",
    "boxed": "\\boxed{}",
    "hashes": "a last line of its own that begins with ####",
    "tags": "<answer> </answer>",
}


@dataclass(frozen=True)
class Maths:
    """Solve a problem of mathematics: the prompt is the question, the answer any text that ends in a marked final answer.

    Layouts known by their columns: GSM8K, MATH, SVAMP, and any other with a question and an answer. Train is endless and
    shuffled anew in each pass; test is each problem once, in the data's order. Numbers are compared exactly and at once, words
    letter by letter, everything else by math-verify in processes of its own, which have a second for each answer.
    """

    name = "maths"

    data: str = ""
    """File (.jsonl, .json, .parquet), folder of such files, or hub id (OWNER/NAME, or OWNER/NAME:CONFIGURATION) of problems."""
    answer_in: Form = "any"
    r"""Where the final answer stands: in a \boxed{}, on a line behind ####, or in <answer> tags; the last one counts. any:
    whichever comes last; demonstrations stay as the data have them, and instructions ask for a box."""
    format_reward: NonNegative = 0.0
    """What an answer earns, beside 1 for being right, for marking one final answer (or the same one again and again)."""
    step_rewards: Literal["none", "equations"] = "none"
    """equations: each line of an answer is a step, which is right if every equation of plain numbers in it holds, as in
    `3 * 4 = 12`; a line with the final answer, if that is right. For supervision=process and process reward models."""
    report_by: Literal["level", "subject"] = "level"
    """The classes that evaluations report: MATH's levels (SVAMP's types), or MATH's subjects."""
    instructions: bool = False
    """False: the prompt is the question and a new line, for a model trained from nothing. True: a chat message that also says
    how to mark the final answer."""
    test_share: Fraction = 0.1
    """Share of all problems, by hash, that is kept for `test`; for data that have no test split of their own."""
    task_seed: int = 0
    """How each pass over the training problems is shuffled."""

    # ---- what a task offers --------------------------------------------------------------------------------------------

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        """Prompts of `train` (endless) or `test` (each once) from number `start` on. `truth` is {answer}."""
        return (self._prompt(split, number, problem) for number, problem in self._problems(split, start))

    def demonstrations(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str]]:
        """Prompts with the data's worked solutions, in the same order. TaskError where a problem has none."""
        for number, problem in self._problems(split, start):
            if problem.solution is None:
                raise TaskError(
                    f"{problem.place} has an answer, but no worked solution to learn from. Name data that have solutions, or "
                    "choose an algorithm that learns from rewards."
                )
            yield self._prompt(split, number, problem), self._shown(problem, problem.solution)

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """One verdict for each rollout; any text whatsoever gets one. TaskError where math-verify is needed and isn't there."""
        found = [final_answer(rollout.text, self.answer_in) for rollout in rollouts]
        grades = grade_answers([(r.prompt.truth["answer"], given) for r, given in zip(rollouts, found, strict=True)])
        verdicts = [
            self._verdict(rollout.text, given, grade) for rollout, given, grade in zip(rollouts, found, grades, strict=True)
        ]
        if not self.judges_steps:
            return verdicts
        return [
            replace(v, steps=judged_lines(r.text, bool(v.correct), lambda line: final_answer(line, self.answer_in) is not None))
            for v, r in zip(verdicts, rollouts, strict=True)
        ]

    @property
    def judges_steps(self) -> bool:
        """Whether verdicts have rewards for single steps."""
        return self.step_rewards != "none"

    def answer_of(self, text: str) -> str | None:
        """The final answer, spelled the same for all that are plainly the same: what a majority is counted by.

        None where there is none, or it is too long to be graded. Example: answer_of("#### 1,000") == "1000" """
        given = final_answer(text, self.answer_in)
        return same_for_all(given) if given is not None and len(given) <= LONGEST else None

    def texts(self) -> Iterator[str]:
        """Every training question and worked solution, for making a tokenizer."""
        for problem in self._splits["train"] or self._splits["test"]:
            yield f"{problem.question}\n"
            yield self._shown(problem, problem.solution or "")

    def check(self) -> list[str]:
        """What is wrong with the settings and the data, in sentences."""
        if not self.data:
            return [f"No problems were named. Write --data with a file, a folder or a hub id. The layouts known are {LAYOUTS}."]
        try:
            answers = [problem.answer for split in self._splits.values() for problem in split]
        except ValueError as error:
            return [str(error)]
        asking = sum(map(needs_math_verify, answers))
        if asking and not installed():
            return [
                f"{asking} of the {len(answers)} right answers in data={self.data} are neither numbers nor words. What "
                f"equals them is for math-verify to say, which isn't installed. Run: {INSTALL}"
            ]
        return []

    # ---- the data ------------------------------------------------------------------------------------------------------

    @cached_property
    def _splits(self) -> Splits:
        return read_splits(self.data, self.test_share)

    def _problems(self, split: str, start: int) -> Iterator[tuple[int, Problem]]:
        """Problems with their numbers in the split, in the order of prompts."""
        if split not in ("train", "test"):
            raise ValueError(f"Problems have the splits train and test; split={split!r}.")
        problems = self._splits[split]
        if not problems:
            raise ValueError(
                f"data={self.data} with test_share={self.test_share} leaves no problems for {split}. Name data that have some"
                + (
                    "; or evaluate nothing: eval_problems=0."
                    if split == "test"
                    else ": files called test are never trained on."
                )
            )
        if split == "test":
            return iter(list(enumerate(problems))[start:])
        size = len(problems)
        numbers = (_order(self.task_seed, i // size, size)[i % size] for i in count(start))
        return ((number, problems[number]) for number in numbers)

    def _prompt(self, split: str, number: int, problem: Problem) -> Prompt:
        name = f"maths-{split}-{number}"
        truth = {"answer": problem.answer}
        level = problem.level if self.report_by == "level" else problem.subject
        if not self.instructions:
            return Prompt(name, text=f"{problem.question}\n", truth=truth, level=level)
        asked = f"{problem.question}\n\nThink it through step by step. Write your final answer in {ASKED[self.answer_in]}."
        return Prompt(name, messages=({"role": "user", "content": asked},), truth=truth, level=level)

    def _shown(self, problem: Problem, solution: str) -> str:
        """The solution, with the final answer behind it where it doesn't end in it in the form asked for."""
        if final_answer(solution, self.answer_in) == problem.answer:
            return solution
        worked = solution.rpartition("\n####")[0] if "\n####" in solution else solution
        return "\n".join(filter(None, [worked.rstrip(), MARKS[self.answer_in].format(problem.answer)]))

    def _verdict(self, text: str, given: str | None, grade: Grade) -> Verdict:
        parts = {"solved": float(grade.correct), "format": float(given is not None and commits(text, self.answer_in))}
        logged = {"answer": given[:LONGEST] if given else None, **({"reason": grade.reason} if grade.reason else {})}
        reward = parts["solved"] + self.format_reward * parts["format"]
        return Verdict(reward, parts, grade.correct, given is not None, logged)


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, number: int) -> list[int]:
    """The order of a pass over the problems: a function of its arguments, whatever the version of Python."""
    return sorted(range(number), key=lambda i: blake2b(f"{seed}/{epoch}/{i}".encode(), digest_size=8).digest())

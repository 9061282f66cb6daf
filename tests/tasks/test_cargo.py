"""Answers in Rust are really compiled and run. Each known way to cheat is tried; none may earn more than an honest failure."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from quintet.data import Prompt, Rollout, Verdict
from quintet.protocols import TaskError
from quintet.tasks import cargo_toolchain
from quintet.tasks.cargo import Cargo
from quintet.tasks.cargo_answer import extract, read_answer
from quintet.tasks.cargo_harness import function_type
from quintet.tasks.cargo_mutants import mutants
from quintet.tasks.cargo_tokens import code, tokens

RUSTC = shutil.which("rustc", path=f"{os.environ.get('PATH', '')}:{Path.home()}/.cargo/bin")
compiled = pytest.mark.skipif(
    RUSTC is None or shutil.which("bwrap") is None,
    reason="needs rustc with clippy (rustup.rs) and bubblewrap (apt-get install)",
)

TRUTH = {
    "instruction": "Write a function `add_even`.",
    "signature": "fn add_even(numbers: &[i32]) -> i32",
    "tests": "#[test]\nfn a() { assert_eq!(add_even(&[2, 4, 5]), 6); }\n#[test]\nfn b() { assert_eq!(add_even(&[1, -3]), 0); }",
}
GOOD = "numbers.iter().filter(|&&n| n % 2 == 0).sum()"
WRONG = "numbers.iter().filter(|&&n| n % 2 != 0).sum()"
ASSERTS = "assert_eq!(add_even(&[1, 2, 3, 4]), 6);\n        assert_eq!(add_even(&[]), 0);"


def program(body: str = GOOD, tests: str = ASSERTS, before: str = "", attribute: str = "#[test]", inside: str = "") -> str:
    return f"""{before}// Adds up the even ones.
pub fn add_even(numbers: &[i32]) -> i32 {{
    {body}
}}

#[cfg(test)]
mod tests {{
    use super::*;
    {inside}
    {attribute}
    fn adds() {{
        {tests}
    }}
}}
"""


def fenced(text: str) -> str:
    return f"```rust\n{text}```"


def graded(text: str, truth: Mapping[str, Any] = TRUTH, **settings: Any) -> Verdict:
    rollout = Rollout(Prompt("p", text="", truth=truth), [], [], [], text, "eos", 0)
    return Cargo(**settings).grade([rollout])[0]


# ---- honest answers --------------------------------------------------------------------------------------------------------


@compiled
def test_right_answer_earns_everything():
    verdict = graded(fenced(program()))
    assert verdict.parts == {"format": 1, "builds": 1, "clippy": 1, "hidden": 1, "own": 1}
    assert (verdict.reward, verdict.correct, verdict.parsed) == (pytest.approx(1.0), True, True)


@compiled
def test_private_function_can_be_tested_too():
    assert graded(fenced(program().replace("pub fn", "fn"))).correct


@compiled
def test_honest_failure_earns_its_form_its_build_and_its_style():
    verdict = graded(fenced(program(WRONG, "assert_eq!(add_even(&[1, 3]), 4);")))
    assert verdict.parts["hidden"] == 0
    assert verdict.reward == pytest.approx(0.3)
    assert verdict.correct is False


@compiled
def test_warning_of_clippy_costs_its_part_alone():
    verdict = graded(fenced(program("let sum = numbers.iter().filter(|&&n| n % 2 == 0).sum(); return sum;")))
    assert {**verdict.parts, "own": 1} == {"format": 1, "builds": 1, "clippy": 0, "hidden": 1, "own": 1}


@compiled
def test_tests_that_do_not_compile_leave_the_function_its_worth():
    verdict = graded(fenced(program(tests='assert_eq!(add_even(&[]), "none");')))
    assert (verdict.parts["builds"], verdict.parts["hidden"], verdict.parts["own"]) == (1, 1, 0)


@compiled
def test_code_that_does_not_compile_earns_its_form_at_most():
    verdict = graded(fenced(program("numbers.even()")))
    assert verdict.reward == pytest.approx(0.1)
    assert "even" in verdict.logged["reason"]


@compiled
def test_tests_that_notice_no_mutant_are_worth_nothing():
    assert graded(fenced(program(tests="assert_eq!(add_even(&[]), add_even(&[]));"))).parts["own"] == 0


@compiled
def test_endless_function_ends():
    verdict = graded(fenced(program("loop {}", "assert_eq!(add_even(&[]), 0);")))
    assert verdict.parts["hidden"] == 0
    assert verdict.correct is False


@compiled
def test_mutant_that_hangs_counts_as_noticed():
    body = (
        "let mut left = numbers.len();\n    let mut sum = 0;\n    while left > 0 {\n        left -= 1;\n"
        "        if numbers[left] % 2 == 0 {\n            sum += numbers[left];\n        }\n    }\n    sum"
    )
    verdict = graded(fenced(program(body)))
    assert verdict.parts["hidden"] == 1
    assert verdict.parts["own"] > 0.5


@compiled
def test_statements_are_hidden_tests_and_no_tests_are_no_part():
    statements = {"instruction": "", "tests": "assert_eq!(add_even(&[8]), 8);"}
    assert graded(fenced(program()), statements).correct is True
    assert graded(fenced(program(WRONG, "assert_eq!(add_even(&[1]), 1);")), statements).correct is False
    without = graded(fenced(program()), {"instruction": ""})
    assert without.correct is None
    assert "hidden" not in without.parts


@compiled
def test_hidden_tests_may_be_a_module_of_their_own():
    module = f"#[cfg(test)]\nmod tests {{\n    use super::*;\n{TRUTH['tests']}\n    // #[test] fn gone() {{}}\n}}"
    assert graded(fenced(program()), {**TRUTH, "tests": module}).correct is True
    assert graded(fenced(program(WRONG, "assert_eq!(add_even(&[1]), 1);")), {**TRUTH, "tests": module}).correct is False


@compiled
def test_text_without_rust_is_not_parsed():
    verdict = graded("I can't.")
    assert (verdict.reward, verdict.parsed, verdict.correct) == (0, False, False)


@compiled
def test_compiler_that_never_ends_is_ended():
    endless = "const _: () = loop {};\n"
    began = time.monotonic()
    verdict = graded(fenced(program(before=endless)), seconds=3.0)
    assert verdict.parts["hidden"] == 0
    assert time.monotonic() - began < 8


# ---- cheats ----------------------------------------------------------------------------------------------------------------

CHEATS = {
    "process::exit": program(WRONG, "std::process::exit(0);"),
    "process::exit under another name": program("use std as s; s::process::exit(0)"),
    "process::exit in a group": program("leave(0)", before="use std::{process::exit as leave};\n"),
    "a forged result": program(WRONG, 'println!("test adds ... ok\\n\\ntest result: ok. 2 passed; 0 failed; 0 ignored");'),
    "a forged result without a macro": program(
        WRONG, "std::io::Write::write_all(&mut std::io::stdout(), b\"test result: ok.\").unwrap();"
    ),
    "a constructor before main": program(
        WRONG, before='#[link_section = ".init_array"]\n#[used]\nstatic RUN: extern "C" fn() = run;\n'
        'extern "C" fn run() { std::process::exit(0) }\n'
    ),
    "cfg(any())": "#![cfg(any())]\n" + program(WRONG),
    "cfg(any()) on the tests": program(WRONG, attribute="#[cfg(any())]\n    #[test]"),
    "ignore": program(WRONG, attribute="#[test]\n    #[ignore]"),
    "should_panic": program("todo!()", attribute="#[test]\n    #[should_panic]"),
    "a macro named assert_eq": program(WRONG, before="macro_rules! assert_eq { ($($t:tt)*) => {}; }\n"),
    "a macro named assert_eq for all": program(
        WRONG, before="#[macro_export]\nmacro_rules! assert_eq { ($($t:tt)*) => {}; }\n"
    ),
    "empty tests": program("0", ""),
    "commented-out tests": program("todo!()", "// assert_eq!(add_even(&[2]), 2);\n        // assert!(true);"),
    "no_main": "#![no_main]\n" + program(WRONG),
    "include_str": program('include_str!("/etc/passwd").len() as i32', ""),
    "include_str of the hidden tests": program('include_str!("harness.rs").len() as i32', ""),
    "a type that equals everything": program(
        "Always", before="#[derive(Debug)]\npub struct Always;\nimpl PartialEq<i32> for Always {\n"
        "    fn eq(&self, _: &i32) -> bool {\n        true\n    }\n}\n"
    ).replace("-> i32 {\n    Always", "-> Always {\n    Always"),
    "unsafe code": program("unsafe { *numbers.as_ptr() }"),
    "another function in tests": program(WRONG, inside="fn add_even(_: &[i32]) -> i32 { 6 }"),
    "tests that hold it to its wrong answers": program(WRONG, "assert_eq!(add_even(&[1, 2, 3, 4]), 4);"),
    "a panic in a destructor": program(
        "let _bye = Bye; 0", before="struct Bye;\nimpl Drop for Bye {\n    fn drop(&mut self) {\n        panic!()\n    }\n}\n"
    ),
    "todo": program("todo!()"),
}  # fmt: skip


@compiled
def test_no_cheat_earns_more_than_an_honest_failure():
    """All in one batch, as a hostile policy would send them."""
    task = Cargo()
    prompt = Prompt("p", text="", truth=TRUTH)
    verdicts = task.grade([Rollout(prompt, [], [], [], fenced(text), "eos", 0) for text in CHEATS.values()])
    honest = graded(fenced(program(WRONG, "assert_eq!(add_even(&[1, 3]), 4);"))).reward
    too_much = {name: v for name, v in zip(CHEATS, verdicts, strict=True) if v.reward > honest + 1e-9 or v.correct}
    assert too_much == {}


@compiled
def test_cheats_fail_even_where_the_rules_over_words_let_them_through(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("quintet.tasks.cargo_answer._refusals", lambda *arguments: iter(()))
    prompt = Prompt("p", text="", truth=TRUTH)
    verdicts = Cargo().grade([Rollout(prompt, [], [], [], fenced(text), "eos", 0) for text in CHEATS.values()])
    assert {name: v for name, v in zip(CHEATS, verdicts, strict=True) if v.reward > 0.3 + 1e-9 or v.correct} == {}


@compiled
def test_clippy_stops_what_the_words_do_not_show():
    """The second line: were the rules over words fooled, process::exit under any name is an error that nothing can allow."""
    text = program("leave()", before="#[allow(clippy::disallowed_methods)]\nfn leave() -> i32 { std::process::exit(0) }\n")
    assert cargo_toolchain.toolchain().lint(text, 20, tests=True, strict=True).returncode != 0
    assert cargo_toolchain.toolchain().lint(text, 20, tests=True, strict=False).returncode == 0


@compiled
def test_secret_of_the_host_does_not_come_in_while_compiling(tmp_path: Path):
    (tmp_path / "secret").write_text("very-secret-4217")
    text = f'pub fn f() -> &\'static str {{ include_str!("{tmp_path}/secret") }}'
    built = cargo_toolchain.toolchain().build_tests({"a.rs": text}, "a.rs", 20, strict=False)
    assert built.returncode != 0
    assert b"very-secret" not in built.stdout_bytes + built.stderr_bytes


@compiled
def test_published_rewards_can_be_fooled_and_are_kept_to_compare_with():
    """`todo!()` with commented-out asserts earned 6.5 of 6.5 there."""
    comments = "\n".join(f"        // assert_eq!(add_even(&[{n}]), {n});" for n in range(4))
    verdict = graded(fenced(program("todo!()", comments)), reward="compat")
    assert verdict.reward == pytest.approx(6.5)
    assert verdict.correct is None
    assert graded(fenced(program("todo!()", comments))).reward <= 0.3


@compiled
def test_published_rewards_of_an_honest_answer():
    verdict = graded(fenced(program()), reward="compat")
    assert verdict.parts == {"build": 1, "clippy": 1, "own_tests": 1, "code_lines": 1, "test_block": 1, "asserts": 0.5}
    assert verdict.reward == pytest.approx(6.0)


@compiled
def test_same_answer_is_compiled_once(monkeypatch: pytest.MonkeyPatch):
    task, seen = Cargo(), []
    real = Cargo._grade
    monkeypatch.setattr(Cargo, "_grade", lambda self, rollout: seen.append(1) or real(self, rollout))
    rollout = Rollout(Prompt("p", text="", truth=TRUTH), [], [], [], fenced(program("numbers.even()")), "eos", 0)
    first = task.grade([rollout, rollout])
    assert first == task.grade([rollout, rollout])
    assert len(seen) == 1


@compiled
def test_answers_are_graded_while_others_are_still_being_written(monkeypatch: pytest.MonkeyPatch):
    task, seen = Cargo(), []
    real = Cargo._grade
    monkeypatch.setattr(Cargo, "_grade", lambda self, rollout: seen.append(1) or real(self, rollout))
    rollout = Rollout(Prompt("p", text="", truth=TRUTH), [], [], [], fenced(program("numbers.even()")), "eos", 0)
    task.begin(rollout)
    [begun] = task._known.values()
    begun.result(timeout=30)  # nobody has asked for the verdict yet
    assert task.grade([rollout])[0].parts["builds"] == 0
    assert len(seen) == 1


def test_missing_toolchain_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    cargo_toolchain.toolchain.cache_clear()
    with pytest.raises(TaskError, match=r"there is no rustc here\. Install Rust with clippy: https://rustup\.rs"):
        cargo_toolchain.toolchain()
    cargo_toolchain.toolchain.cache_clear()


# ---- words -----------------------------------------------------------------------------------------------------------------


def test_fences_are_found_whatever_surrounds_them():
    assert extract("Sure:\n```rust\nfn a() {}\n```\nDone.") == ("fn a() {}\n", True)
    assert extract("```rust\nfn a() {}\n```\n```rust\nmod b {}\n```") == ("fn a() {}\n\nmod b {}\n", False)
    assert extract("```rust\nfn a() { 1 }\n```\nbetter:\n```rust\nfn a() { 2 }\n```") == ("fn a() { 2 }\n", False)
    assert extract("```rust\nfn a() {") == ("fn a() {", False)
    assert extract("```\nfn a() {}\n```") == ("fn a() {}\n", False)
    assert extract("fn a() {}") == ("fn a() {}", False)
    assert extract("```python\nfn a\n```") == ("", False)
    assert extract("nothing") == ("", False)


def test_braces_in_texts_comments_and_characters_end_no_module():
    text = program(tests="assert_eq!(\"}\", \"}\"); // }\n        /* } /* } */ } */ assert_ne!('}', '{'); { { } }")
    answer = read_answer(fenced(text))
    assert answer.tests == ("adds",)
    assert answer.module == "tests"
    assert answer.body.count("fn") == 1
    assert answer.test_code.endswith("}\n}")


@pytest.mark.parametrize(
    "text", ["'", '"', 'r#"', "/*", "'a", "b'\\", "fn", "#", "#[", "#![", "std::{", "use std", "😀", "\0", "mod tests {"]
)
def test_no_text_is_too_broken_to_read(text: str):
    assert "".join(t.text for t in tokens(text)) == text
    read_answer(fenced(text + "\n"))


def test_lifetimes_are_no_characters():
    assert [t.kind for t in code("&'a str 'x' '\\''")] == ["sign", "lifetime", "word", "text", "text"]


def test_type_of_a_signature():
    assert function_type("pub fn f(a: &str, mut n: usize) -> Vec<(i32, i32)> {") == ("f", "fn(&str, usize) -> Vec<(i32, i32)>")
    assert function_type("fn g<'a>(x: &'a str) -> &'a str") == ("g", "for<'a> fn(&'a str) -> &'a str")
    assert function_type("fn h<T: Ord>(x: T) -> T") == ("h", "")
    assert function_type("nonsense") == ("", "")


def test_mutants_are_wrong_and_different():
    body = "fn f(a: i32) -> bool {\n    a % 2 == 0 && a < 10\n}"
    found = mutants(body, "f", 20)
    assert "fn f(a: i32) -> bool { Default::default() }" in found
    assert "fn f(a: i32) -> bool {\n    a % 2 != 0 && a < 10\n}" in found
    assert "fn f(a: i32) -> bool {\n    a % 2 == 0 || a < 10\n}" in found
    assert len(set(found)) == len(found) == 8
    assert body not in found


# ---- problems --------------------------------------------------------------------------------------------------------------


def test_problem_is_a_function_of_its_number():
    task = Cargo()
    some = list(islice(task.prompts("train"), 30))
    assert list(islice(Cargo().prompts("train", 10), 20)) == some[10:]
    assert list(islice(Cargo(task_seed=1).prompts("train"), 30)) != some


def test_families_are_on_one_side():
    task = Cargo()
    train = {p.truth["family"] for p in islice(task.prompts("train"), 400)}
    test = {p.truth["family"] for p in islice(task.prompts("test"), 400)}
    assert len(train) > 100
    assert len(test) > 20
    assert not train & test


def test_prompt_carries_the_contract_or_the_bare_problem():
    messages = next(Cargo(instructions=True).prompts("train")).messages
    assert messages is not None
    system, user = messages
    assert "exactly one ```rust block" in system["content"]
    assert "Its signature: `fn " in user["content"]
    bare = next(Cargo().prompts("train"))
    assert bare.messages is None
    assert bare.text == f"{bare.truth['instruction']}\n{bare.truth['signature']}\n"


def test_few_test_problems_are_of_all_levels():
    assert {p.level for p in islice(Cargo().prompts("test"), 12)} == {"level 1", "level 2", "level 3"}


@compiled
def test_demonstrations_are_right():
    shown = list(islice(Cargo().demonstrations("train"), 4))
    verdicts = Cargo().grade([Rollout(p, [], [], [], answer, "eos", 0) for p, answer in shown])
    assert all(v.correct and v.parts["format"] == 1 and v.parts["clippy"] == 1 for v in verdicts)


def test_file_of_problems(tmp_path: Path):
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({**TRUTH, "instruction": f"Problem {i}"}) + "\n" for i in range(20)))
    task = Cargo(data=str(path), test_share=0.3)
    test = [p.truth["instruction"] for p in task.prompts("test")]
    train = [p.truth["instruction"] for p in islice(task.prompts("train"), 20 - len(test))]
    assert sorted(train + test) == sorted(f"Problem {i}" for i in range(20))
    assert next(task.prompts("train")).truth["signature"] == TRUTH["signature"]
    with pytest.raises(TaskError, match="no answers to learn from"):
        task.demonstrations("train")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", r"p.jsonl:1: this is no JSON"),
        ('{"a": 1}', 'needs an "instruction"'),
        ('{"instruction": "x", "tests": 1}', '"tests"'),
    ],
)
def test_bad_row_is_named(tmp_path: Path, line: str, complaint: str):
    (tmp_path / "p.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match=complaint):
        Cargo(data=str(tmp_path / "p.jsonl")).prompts("train")


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="easiest=3, hardest=1"):
        Cargo(easiest=3, hardest=1)
    with pytest.raises(ValueError, match="has 5: format, builds, clippy, hidden, own"):
        Cargo(reward_weights=(1.0,))


def test_held_out_variations_are_of_families_that_training_shows_and_training_leaves_out_both():
    by_variation, by_family = Cargo(held_out="variations", hardest=1), Cargo(hardest=1)
    train = list(islice(by_variation.prompts("train"), 400))
    assert [p.text for p in train] == [p.text for p in islice(by_family.prompts("train"), 400)]
    seen = {p.truth["signature"] for p in train}
    test = list(islice(by_variation.prompts("test"), 80))
    assert len({p.truth["signature"] for p in test}) > 40
    assert not seen & {p.truth["signature"] for p in test}
    assert {p.truth["family"] for p in test} <= {p.truth["family"] for p in train}


def test_careless_teacher_is_careless_as_often_as_asked():
    good = {p.text: a for p, a in islice(Cargo().demonstrations("train"), 200)}
    both = [(a, good[p.text or ""]) for p, a in islice(Cargo(demo_mistakes=0.6).demonstrations("train"), 200) if p.text in good]
    assert 0.5 < sum(a != b for a, b in both) / len(both) < 0.7

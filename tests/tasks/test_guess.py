from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.data import Prompt, Rollout
from quintet.models.load import tokenizer_for
from quintet.tasks.guess import HIGHER, LOWER, NO_NUMBER, Guess, read_guess

GAME = Prompt("g", text="0 to 14\n", truth={"low": 0, "high": 14, "secret": 5, "guesses": 4})


def talk(prompt: Prompt, turns: Sequence[str]) -> Rollout:
    return Rollout(prompt, [], [], [], "".join(turns), "eos", 0, turns=tuple(turns))


def games(split: str = "train", number: int = 300, **how) -> list[Prompt]:
    return list(islice(Guess(**how).prompts(split), number))


@pytest.mark.parametrize(
    ("guess", "said"), [("7", LOWER), ("3", HIGHER), ("5", None), (" 6 ", LOWER), ("five", NO_NUMBER), ("", NO_NUMBER)]
)
def test_reply_says_where_the_secret_is(guess: str, said: str | None):
    assert Guess().reply(talk(GAME, [guess])) == said


def test_game_ends_with_its_last_guess():
    turns = ["7", LOWER, "3", HIGHER, "4", HIGHER]
    assert Guess().reply(talk(GAME, [*turns[:4], "4"])) == HIGHER
    assert Guess().reply(talk(GAME, [*turns, "6"])) is None


def test_who_found_the_secret_in_time_has_won():
    won = ["7", LOWER, "3", HIGHER, "5"]
    lost = ["7", LOWER, "3", HIGHER, "4", HIGHER, "6"]
    late = [*lost, LOWER, "5"]
    strange = ["5 or 6", NO_NUMBER, "5"]
    verdicts = Guess().grade([talk(GAME, turns) for turns in (won, lost, late, strange, ["it is 5"])])
    assert [v.reward for v in verdicts] == [1, 0, 0, 1, 0]
    assert [v.correct for v in verdicts] == [True, False, False, True, False]
    assert [v.parsed for v in verdicts] == [True, True, True, False, False]


def test_answer_without_turns_is_one_guess():
    assert Guess().grade([Rollout(GAME, [], [], [], "5", "eos", 0)])[0].reward == 1


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_none(text: str):
    found = read_guess(text)
    assert found is None or str(found) == (text.strip().lstrip("0") or "0")


@given(st.integers(0, 2000), st.sampled_from(["sound", "bisect"]), st.integers(0, 2))
def test_teachers_play_by_the_rules(number: int, teacher: str, spare: int):
    """Replies are the task's own, every guess is still possible, and bisection always wins."""
    task = Guess(teacher=teacher, spare=spare)  # type: ignore[arg-type]
    prompt, turns = next(task.demonstrations("train", number))
    low, high = prompt.truth["low"], prompt.truth["high"]
    for place in range(0, len(turns), 2):
        so_far = talk(prompt, turns[: place + 1])
        guess = read_guess(turns[place])
        assert guess is not None
        assert low <= guess <= high
        low, high = (guess + 1, high) if prompt.truth["secret"] > guess else (low, guess - 1)
        assert task.reply(so_far) == (turns[place + 1] if place + 1 < len(turns) else None)
    assert len(turns) % 2 == 1
    (verdict,) = task.grade([talk(prompt, turns)])
    assert verdict.parsed
    assert verdict.correct or teacher == "sound"


def test_sound_teacher_often_loses():
    task = Guess()
    shown = list(islice(task.demonstrations("train"), 300))
    lost = sum(v.reward == 0 for v in task.grade([talk(*game) for game in shown]))
    assert 60 < lost < 180


@pytest.mark.parametrize(("numbers", "guesses"), [(7, 3), (8, 4), (15, 4), (16, 5), (31, 5)])
def test_guesses_are_as_many_as_bisection_needs(numbers: int, guesses: int):
    task = Guess(min_numbers=numbers, max_numbers=numbers)
    prompt = next(task.prompts("train"))
    assert prompt.truth["guesses"] == guesses
    assert prompt.level == f"{guesses} guesses"
    assert task.longest_answer() == 2 * guesses


def test_games_are_in_range_and_train_and_test_have_none_in_common():
    sides = [{(p.truth["low"], p.truth["high"], p.truth["secret"]) for p in games(split, 1500)} for split in ("train", "test")]
    assert not sides[0] & sides[1]
    for low, high, secret in sides[0] | sides[1]:
        assert 0 <= low <= secret <= high <= 63
        assert 7 <= high - low + 1 <= 31


def test_prompt_number_alone_says_which_game_it_is():
    assert games(number=20)[7:] == list(islice(Guess().prompts("train", 7), 13))
    assert games(number=20) != games(number=20, task_seed=1)


def test_tokenizer_of_its_pieces_writes_a_game_in_few_tokens():
    task = Guess()
    made = tokenizer_for(task)
    prompt, turns = next(task.demonstrations("train"))
    assert [len(made.encode(t)) for t in turns] == [1] * len(turns)
    assert len(made.encode(prompt.text or "")) == 4
    assert made.decode(made.encode(prompt.text or "")) == prompt.text


def test_instructions_are_a_message_that_says_range_and_guesses():
    (prompt,) = games(number=1, instructions=True)
    assert prompt.messages is not None
    content = prompt.messages[0]["content"]
    assert f"from {prompt.truth['low']} to {prompt.truth['high']}" in content
    assert f"{prompt.truth['guesses']} guesses" in content


@pytest.mark.parametrize(
    ("how", "said"),
    [({"min_numbers": 40}, "min_numbers=40"), ({"highest": 9}, "highest=9"), ({"max_numbers": 99}, "max_numbers=99")],
)
def test_ranges_that_cannot_be_are_refused(how, said: str):
    with pytest.raises(ValueError, match=said):
        Guess(**how)


def test_split_without_games_is_refused():
    with pytest.raises(ValueError, match="test_share=0"):
        next(Guess(test_share=0.0).prompts("test"))
    with pytest.raises(ValueError, match="splits train and test"):
        next(Guess().prompts("dev"))

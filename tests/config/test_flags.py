from __future__ import annotations

from quintet.config import known
from quintet.config.draft import Draft, Given
from quintet.config.flags import Flag, put, split

OPTIONS = {"recipe": True, "small": False, "help": False, "dry_run": False}


def draft(*algorithms: str, task: str | None = "maze") -> Draft:
    stages = [{"algorithm": Given(a, "here")} for a in algorithms]
    return Draft(task=Given(task, "here") if task else None, stages=stages)


def complaints(draft: Draft, *arguments: str, training: bool = True) -> list[str]:
    line = split(arguments, OPTIONS)
    put(line.flags, draft, line.problems, known.machine(), training)
    return [str(problem) for problem in line.problems]


def test_words_options_and_settings_are_told_apart():
    line = split(["grpo", "--recipe", "a.toml", "--small", "--lr=1e-3", "--max-new-tokens", "4", "-h"], OPTIONS)
    assert line.words == ["grpo"]
    assert line.options == {"recipe": "a.toml", "small": True, "help": True}
    assert line.flags == [Flag("lr", "1e-3", "--lr"), Flag("max_new_tokens", "4", "--max-new-tokens")]
    assert line.problems == []


def test_switches_stand_alone_and_have_an_opposite():
    line = split(["--instructions", "grpo", "--no-mask-truncated", "--grpo.no-mask-truncated", "--instructions=false"], OPTIONS)
    assert line.words == ["grpo"]
    assert [(f.name, f.value) for f in line.flags] == [
        ("instructions", True), ("mask_truncated", False), ("grpo.mask_truncated", False), ("instructions", "false"),
    ]  # fmt: skip


def test_number_below_zero_is_a_value():
    assert split(["--task-seed", "-1"], OPTIONS).flags == [Flag("task_seed", "-1", "--task-seed")]


def test_flag_without_its_value_is_named():
    assert [str(p) for p in split(["--lr", "--steps", "3", "--size"], OPTIONS).problems] == [
        "--lr: It needs a value behind it.",
        "--size: It needs a value behind it.",
    ]


def test_value_that_is_no_text_is_refused():
    assert "UTF-8" in str(split(["--out", "run\udcff"], OPTIONS).problems[0])


def test_misspelt_option_is_not_taken_for_a_setting():
    assert [str(p) for p in split(["--recpe", "x", "--dry-rnu"], OPTIONS).problems] == [
        '--recpe: There is no such flag. Did you mean "--recipe"?',
        '--dry-rnu: There is no such flag. Did you mean "--dry-run"?',
    ]


def test_each_flag_goes_to_the_section_that_has_it():
    made = draft("grpo")
    assert (
        complaints(made, "--seed", "3", "--temperature", "0.5", "--size", "4", "--lr", "1", "--clip", "0,1", "--steps", "2")
        == []
    )
    assert made.machine["seed"] == Given("3", "--seed", text=True)
    assert made.sampling["temperature"].value == "0.5"
    assert made.tasks["maze"]["size"].value == "4"
    assert {k: g.value for k, g in made.stages[0].items()} == {"algorithm": "grpo", "lr": "1", "clip": "0,1", "steps": "2"}


def test_last_of_two_equal_flags_counts():
    made = draft("grpo")
    assert complaints(made, "--lr", "1", "--lr", "2") == []
    assert made.stages[0]["lr"].value == "2"


def test_flag_of_several_stages_needs_a_stages_name():
    made = draft("sft", "grpo")
    assert complaints(made, "--lr", "1") == ["--lr: 2 sections have this setting. Write --sft.lr or --grpo.lr."]
    assert complaints(made, "--sft.lr", "1", "--grpo.lr", "2") == []
    assert [stage["lr"].value for stage in made.stages] == ["1", "2"]


def test_flag_that_one_of_several_stages_has_needs_no_name():
    made = draft("sft", "grpo")
    assert complaints(made, "--group-size", "4", "--clip", "0,1") == []
    assert "group_size" not in made.stages[0]
    assert made.stages[1]["group_size"].value == "4"


def test_stages_of_one_algorithm_are_numbered():
    made = draft("grpo", "grpo")
    assert complaints(made, "--grpo-2.lr", "1") == []
    assert "lr" not in made.stages[0]
    assert made.stages[1]["lr"].value == "1"


def test_section_can_be_named():
    made = draft("grpo")
    assert complaints(made, "--maze.size", "4", "--machine.seed", "1", "--sampling.top-k", "2") == []
    assert (made.tasks["maze"]["size"].value, made.machine["seed"].value, made.sampling["top_k"].value) == ("4", "1", "2")


def test_unknown_section_is_answered_with_those_there_are():
    assert complaints(draft("sft", "grpo"), "--gppo.lr", "1") == [
        '--gppo.lr: There is no section or stage "gppo". Did you mean "grpo"? There are machine, sampling, maze, sft, grpo.'
    ]


def test_setting_of_another_algorithm_or_task_says_so():
    assert complaints(draft("sft"), "--clip", "0,1") == ["--clip: clip is a setting of ppo and grpo, not of sft."]
    (found,) = complaints(draft("grpo"), "--min-level", "2")
    assert found.startswith("--min-level: min_level is a setting of arithmetic")
    assert found.endswith("not of maze.")


def test_misspelt_setting_is_answered_with_the_nearest():
    assert complaints(draft("grpo"), "--temprature", "1") == [
        '--temprature: There is no setting temprature. Did you mean "--temperature"?'
    ]


def test_other_libraries_names_are_translated():
    assert complaints(draft("grpo"), "--num-generations", "8") == [
        "--num-generations: There is no setting num_generations; here it is called --group-size."
    ]


def test_data_and_reward_choose_the_task_of_functions():
    made = draft("grpo", task=None)
    assert complaints(made, "--data", "x.jsonl", "--reward", "r.py") == []
    assert made.task == Given("functions", "--data")
    assert made.tasks["functions"]["reward"].value == "r.py"
    from_maze = draft("grpo")
    assert complaints(from_maze, "--data", "x.jsonl") == []
    assert from_maze.task_name() == "functions"


def test_reward_stays_with_a_task_that_has_one():
    made = draft("grpo")
    assert complaints(made, "--reward", "alphamaze") == []
    assert made.task_name() == "maze"


def test_named_task_is_in_front_of_flags_that_choose_one():
    made = draft("grpo", task=None)
    (found,) = complaints(made, "--task", "maze", "--data", "x")
    assert found.startswith("--data: data is a setting of ")
    assert found.endswith("functions, not of maze.")


def test_nothing_is_said_twice_when_task_or_algorithm_is_missing():
    assert complaints(draft(task=None), "--size", "3", "--lr", "1") == []


def test_settings_of_training_are_refused_where_nothing_trains():
    assert complaints(draft(), "--lr", "1", "--out", "x", training=False) == [
        "--lr: lr is a setting of training, not of this command."
    ]

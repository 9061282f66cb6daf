"""The command `quintet rollouts`."""

from __future__ import annotations

from quintet.commands.arguments import HELP, Options, only_word, plain, run_folder, stop_if_wrong, whole

OPTIONS: Options = {
    "--step N": "the step (default: the last one that sampled answers)",
    "--group G": "only the answers to the prompt with this number",
    "--limit K": "at most this many prompts (default 4)",
    **HELP,
}


def run(arguments: list[str]) -> None:
    """Show a step's answers, by prompt, the best first."""
    line = plain(arguments, "rollouts RUN", OPTIONS, run.__doc__ or "")
    step, group = whole(line, "step", None), whole(line, "group", None)
    limit = whole(line, "limit", 4, least=1) or 4
    name = only_word(line, "RUN", "the folder of a run")
    stop_if_wrong(line)
    from quintet.observe.rollout_table import show

    show(run_folder(name), step, group, limit)

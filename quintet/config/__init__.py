"""Settings: TOML recipes and flags → `Run`, checked before anything is loaded. The registry is the one place that names
concrete algorithms and tasks."""

from quintet.config.comparing import new_comparison, read_comparison
from quintet.config.problems import Problem, SettingsError
from quintet.config.reading import new_evaluation, new_run, new_task, read_run
from quintet.config.registry import ALGORITHMS, TASKS
from quintet.config.render import render, render_comparison

__all__ = [
    "ALGORITHMS",
    "TASKS",
    "Problem",
    "SettingsError",
    "new_comparison",
    "new_evaluation",
    "new_run",
    "new_task",
    "read_comparison",
    "read_run",
    "render",
    "render_comparison",
]

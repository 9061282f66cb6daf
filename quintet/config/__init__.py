"""Settings: TOML recipes and flags → `Run`, checked before anything is loaded. The registry is the one place that names
concrete algorithms and tasks."""

from quintet.config.problems import Problem, SettingsError
from quintet.config.reading import new_evaluation, new_run, read_run
from quintet.config.registry import ALGORITHMS, TASKS
from quintet.config.render import render

__all__ = ["ALGORITHMS", "TASKS", "Problem", "SettingsError", "new_evaluation", "new_run", "read_run", "render"]

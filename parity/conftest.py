"""Everything in float64, and a table of how well it agreed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from parity.sample import deviations


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("largest relative deviation from TRL")
    for what, deviation in deviations.items():
        terminalreporter.write_line(f"{deviation:8.1e}  {what}")

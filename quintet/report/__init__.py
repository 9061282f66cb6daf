"""One HTML file that tells what a run did, readable anywhere and without a network."""

from quintet.report.html import write_report

__all__ = ["write_report"]

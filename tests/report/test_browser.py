"""The report in a real browser: what it loads, what it runs, how wide it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from quintet.report import write_report
from tests.report import chromium
from tests.run_folder import ATTACK, write_run
from tests.written_comparison import write_comparison

pytestmark = pytest.mark.browser
WIDTHS = (1200, 768, 360)


@pytest.fixture(scope="module")
def page() -> Iterator[chromium.Page]:
    if chromium.BINARY is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium isn't installed, and in CI the report must be seen by a browser. Install chromium.")
        pytest.skip("Chromium isn't installed; install chromium to see the report in a browser.")
    with chromium.browser() as tab:
        yield tab


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    run = write_run(folder / "run", 40, 60, attack=ATTACK + "W" * 300)
    evaluations = run / "evaluations.jsonl"
    evaluations.write_text(evaluations.read_text().replace('"after', '"a rather long name for what came after'))
    return write_report(run, folder / "report.html").as_uri()


def widest(page: chromium.Page) -> int:
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    return page.evaluate("document.documentElement.scrollWidth")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_loads_nothing_complains_of_nothing_and_fits(
    page: chromium.Page, report: str, width: int, dark: bool
) -> None:
    page.open(report, width, dark=dark)
    assert page.evaluate("document.title") == "maze · run"
    assert widest(page) <= width
    assert page.requests == [report]
    assert page.complaints == []


def test_a_script_a_model_wrote_is_inert(page: chromium.Page, report: str) -> None:
    page.open(report)
    assert page.evaluate("document.querySelectorAll('script, img, iframe, link, object').length") == 0
    assert page.evaluate("document.body.textContent.includes(\"<script>document.title='owned'\")")
    assert page.evaluate("document.title") == "maze · run"


def test_even_a_script_that_got_into_the_page_could_do_nothing(page: chromium.Page, report: str, tmp_path: Path) -> None:
    whole = Path(report.removeprefix("file://")).read_text(encoding="utf-8")
    raw = "<script>document.title='owned'</script><img src='http://127.0.0.1:9/x.png'></main>"
    (tmp_path / "raw.html").write_text(whole.replace("</main>", raw), encoding="utf-8")
    page.open((tmp_path / "raw.html").as_uri())
    assert page.evaluate("document.title") == "maze · run"
    assert any("Content Security Policy" in complaint for complaint in page.complaints)


def test_light_and_dark_are_painted_differently(page: chromium.Page, report: str, tmp_path: Path) -> None:
    grounds, pictures = [], []
    for dark in (False, True):
        page.open(report, dark=dark)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.screenshot(tmp_path / "page.png")
        pictures.append((tmp_path / "page.png").read_bytes())
    assert grounds == ["rgb(252, 251, 248)", "rgb(21, 23, 26)"]
    assert pictures[0] != pictures[1]


def test_charts_have_names_and_the_curves_are_drawn(page: chromium.Page, report: str) -> None:
    page.open(report)
    names = "[...document.querySelectorAll('svg[role=img]')].map(s => s.querySelector('title').textContent)"
    assert {"Reward", "Loss", "Entropy", "maze: scores by level"} <= set(page.evaluate(names))
    drawn = "[...document.querySelectorAll('.charts > figure')].filter(f => f.offsetParent)"
    sizes = page.evaluate(f"{drawn}.map(f => f.querySelector('.line').getBoundingClientRect().width)")
    assert len(sizes) > 8
    assert min(sizes) > 100


def test_the_browser_sees_requests_scripts_and_wide_pages(page: chromium.Page, tmp_path: Path) -> None:
    bad = "<title>x</title><img src='other.png'><script>document.title = 'ran'</script><p style='width:5000px'>wide</p>"
    (tmp_path / "bad.html").write_text(bad)
    page.open((tmp_path / "bad.html").as_uri(), 360)
    assert [address.rsplit("/", 1)[1] for address in page.requests] == ["bad.html", "other.png"]
    assert page.complaints != []
    assert page.evaluate("document.title") == "ran"
    assert widest(page) > 360


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)])
def test_a_comparisons_report_loads_nothing_complains_of_nothing_and_fits(
    page: chromium.Page, tmp_path: Path, width: int, dark: bool
) -> None:
    folder = write_comparison(tmp_path / "maze", steps=20, attack=ATTACK + "W" * 300)
    report = write_report(folder, tmp_path / "report.html").as_uri()
    page.open(report, width, dark=dark)
    assert page.evaluate("document.title") == "maze · maze"
    assert widest(page) <= width
    assert page.requests == [report]
    assert page.complaints == []
    colours = "new Set([...document.querySelectorAll('#s0 .line, svg.curve .line.c0, svg.curve .line.c4')]"
    assert page.evaluate(f"{colours}.map((line) => getComputedStyle(line).stroke)).size") == 2

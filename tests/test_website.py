"""The documentation site: whole, strict, and silent towards other hosts."""

from __future__ import annotations

import functools
import http.server
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from quintet.config import known, registry
from quintet.observe.glossary import GLOSSARY
from tests.report.chromium import BINARY, browser
from website.__main__ import build, settings, write_pages
from website.api import api_pages
from website.links import relinked
from website.pages import nav, sources
from website.reference import metrics_page, recipes_page, settings_page

pytest.importorskip("zensical", reason="the site needs the extra docs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("website"))


ALIKE = {f"api/{name}.html" for name in ("observe", "report", "tasks", "models", "engines", "algorithms", "runs", "sources")}
"""Pages of the API that differ from others in their text alone."""


def pages(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


# ---- the whole -------------------------------------------------------------------------------------------------------------


def test_every_page_of_the_repository_and_every_generated_one_is_in_the_site(site: Path):
    wanted = {"settings.html", "metrics.html", "recipes.html", "api/equations.html"}
    assert wanted | {str(Path(page).with_suffix(".html")) for page in sources().values()} <= set(pages(site))


def test_nothing_in_a_page_is_loaded_from_another_host(site: Path):
    """Links to other hosts are fine; scripts, styles, pictures and fonts from there aren't."""
    loads = re.compile(
        r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)", re.IGNORECASE
    )
    assert {page: loads.findall((site / page).read_text()) for page in pages(site)} == {page: [] for page in pages(site)}
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"url\([\"']?https?:[^)]*\)|@import[^;]*https?:", styles) == []


@pytest.mark.browser
@pytest.mark.skipif(BINARY is None, reason="Chromium isn't installed")
def test_browser_asks_nobody_but_this_machine(site: Path):
    with served(site) as here, browser() as page:
        asked: set[str] = set()
        for name in [name for name in pages(site) if name not in ALIKE]:
            page.open(f"{here}/{name}")
            asked |= {address for address in page.requests if not address.startswith(("data:", "blob:"))}
            assert page.complaints == [], name
            assert page.evaluate("document.fonts.size") == 0, "fonts come with the system, not from the web"
        assert asked
        assert [address for address in asked if not address.startswith(here)] == []
        page.open(f"{here}/index.html", width=390)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


class served:
    """A folder over HTTP on the loopback, at the address that the context gives."""

    def __init__(self, folder: Path) -> None:
        handler = functools.partial(Quiet, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_link_to_nowhere_ends_the_build(tmp_path: Path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.md").write_text("# One page\n\n[nowhere](gone.md)\n")
    config = tmp_path / "zensical.toml"
    config.write_text(settings(Path("pages"), Path("site"), [{"One": "index.md"}]))
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--config-file", str(config)]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode != 0
    assert "page does not exist" in found.stdout + found.stderr


# ---- pages made from the code ----------------------------------------------------------------------------------------------


def test_every_setting_of_every_section_is_on_the_page():
    page = settings_page()
    for fields in (known.machine(), known.sampling(), *map(known.task, registry.TASKS), *map(known.stage, registry.ALGORITHMS)):
        for field in fields.values():
            assert f"`--{field.name.replace('_', '-')}`" in page
    assert (
        "| `--temperature` | `1.0` | a number of at least 0 | Logits are divided by it; 0 takes the likeliest token. |" in page
    )
    assert all(f"### {name}\n" in page for name in registry.ALGORITHMS)


def test_every_metric_and_every_recipe_is_on_its_page():
    page = metrics_page()
    assert [m.key for group in GLOSSARY for m in group.metrics if f"| `{m.key}` |" not in page] == []
    assert "### demo\n" in recipes_page()
    assert 'optimiser = "muon"' in recipes_page()


def test_api_shows_signatures_and_docstrings_with_every_character_as_itself():
    page = api_pages()["api/equations.md"]
    assert "### kl\\_k3" in page or "### kl_k3" in page
    assert "kl_k3(new: Tensor, old: Tensor) -> Tensor" in page
    everything = "".join(api_pages().values())
    assert "<|" not in re.sub(r"```.*?```|`[^`]*`|^    .*?$", "", everything, flags=re.DOTALL | re.MULTILINE)


# ---- links and order -------------------------------------------------------------------------------------------------------

THERE = {
    "README.md": "index.md",
    "docs/log.md": "log.md",
    "docs/decisions/1.md": "decisions/1.md",
    "docs/settings.md": "settings.md",
}


@pytest.mark.parametrize(
    ("text", "source", "target", "turned"),
    [
        ("[the log](docs/log.md#top)", "README.md", "index.md", "[the log](log.md#top)"),
        ("[home](../../README.md)", "docs/decisions/1.md", "decisions/1.md", "[home](../index.md)"),
        ("![picture](docs/images/a.png)", "README.md", "index.md", "![picture](images/a.png)"),
        ("[a recipe](recipes/demo.toml)", "README.md", "index.md", "a recipe (`recipes/demo.toml`)"),
        ("[recipes/demo.toml](recipes/demo.toml)", "README.md", "index.md", "`recipes/demo.toml`"),
        (
            "[paper](https://example.org/a.md) [here](#b)",
            "README.md",
            "index.md",
            "[paper](https://example.org/a.md) [here](#b)",
        ),
        ("```text\n[log](docs/log.md)\n```", "README.md", "index.md", "```text\n[log](docs/log.md)\n```"),
        ("[gone](gone.md)", "docs/log.md", "log.md", "gone (`docs/gone.md`)"),
    ],
)
def test_links_lead_to_where_pages_stand_in_the_site(text: str, source: str, target: str, turned: str):
    assert relinked(text, source, target, THERE) == turned


def test_navigation_has_each_page_once_and_bears_with_those_that_are_missing(tmp_path: Path):
    found = [
        page
        for section in write_pages(tmp_path)
        for entries in section.values()
        for entry in entries
        for page in entry.values()
    ]
    assert len(found) == len(set(found))
    assert set(found) == {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.md")}
    assert nav(["index.md", "tasks-new.md"]) == [
        {"Begin": [{"Quintet": "index.md"}]},
        {"Guides": [{"Tasks new": "tasks-new.md"}]},
    ]

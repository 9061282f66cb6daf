"""Build the site into build/site, strictly: a link to nowhere ends it. `make docs`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import tomli_w

from website.generated import generated
from website.links import relinked
from website.pages import ASSETS, ROOT, Nav, nav, sources


def write_pages(folder: Path) -> Nav:
    """Every page into `folder`, links turned towards one another; the navigation."""
    pages, made = sources(), generated()
    there = {**pages, **{f"docs/{target}": target for target in made}}
    for source, target in pages.items():
        text = relinked((ROOT / source).read_text(encoding="utf-8"), source, target, there)
        _write(folder / target, text)
    for target, text in made.items():
        _write(folder / target, text)
    for asset in ASSETS:
        if (ROOT / "docs" / asset).is_dir():
            shutil.copytree(ROOT / "docs" / asset, folder / asset, dirs_exist_ok=True)
        else:
            shutil.copy(ROOT / "docs" / asset, folder / asset)
    return nav([*pages.values(), *made])


def settings(source: Path, site: Path, navigation: Nav) -> str:
    """Zensical's, without anything that would ask another host: no web fonts, no link that a page loads from."""
    project = {
        "site_name": "Quintet",
        "site_description": "REINFORCE, TRPO, PPO, DPO and GRPO behind one loop",
        "docs_dir": str(source),
        "site_dir": str(site),
        "use_directory_urls": False,
        "nav": navigation,
        "theme": {"font": False, "language": "en", "features": ["navigation.indexes", "content.code.copy"]},
    }
    return tomli_w.dumps({"project": project})


def build(folder: Path) -> Path:
    """The site in `folder`/site. CalledProcessError where something in it is wrong."""
    source, site = folder / "pages", folder / "site"
    for old in (source, site):
        shutil.rmtree(old, ignore_errors=True)
    navigation = write_pages(source)
    config = folder / "zensical.toml"
    config.write_text(settings(Path("pages"), Path("site"), navigation), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean", "--config-file", str(config)]
    subprocess.run(command, check=True, cwd=folder)
    return site


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        print(build(ROOT / "build"))
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is missing. To have it: python -m pip install -e '.[docs]'")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)

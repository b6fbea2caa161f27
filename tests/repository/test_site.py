"""The documents as a site: built strictly, with every document and every name for programs, and nothing from elsewhere.

Skipped where mkdocs is not installed. A real browser looks at it in `tests/browser/page/test_site_app.py`.
"""

import html
import re
import shutil
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import crossmax_studio
from tests.site_building import PARTS, ROOT, build

pytestmark = pytest.mark.slow

for part in PARTS:
    pytest.importorskip(part)

KNOWN_IN_SCRIPTS = {
    "api.github.com",  # asked for the stars of a repository, where a page names one
    "unpkg.com",  # Mermaid, where a page has a drawing; a polyfill for browsers of before 2020
    "clipboardjs.com",  # the rest are notes of licences, and names that are never fetched
    "fontawesome.com",
    "lunrjs.com",
    "tartarus.org",
    "bit.ly",
    "www.w3.org",
}
"""Hosts that the theme's scripts name. The browser test sees that no page asks one."""
HOST = re.compile(r"""(?:https?|wss?)://((?:[\w-]+\.)+[a-z]{2,})""")


@dataclass
class Seen(HTMLParser):
    """What a page is made of."""

    loads: list[str] = field(default_factory=list)
    """What a browser fetches to show it."""
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)
    styles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.classes |= set(given.get("class", "").split())
        self.styles += [given["style"]] if "style" in given else []
        self.loads += [given[name] for name in ("src", "poster", "data", "action") if given.get(name)]
        self.loads += [part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()]
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev", "alternate"):
            self.loads.append(given["href"])
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])


def seen(path: Path) -> Seen:
    page = Seen()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def fetched_by_css(text: str) -> list[str]:
    """The addresses that a stylesheet loads."""
    found = re.findall(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""", text)
    return [one or other for one, other in found]


def foreign(address: str) -> bool:
    """Whether an address leads to another server."""
    return address.startswith("//") or urlsplit(address).scheme in ("http", "https", "ws", "wss", "ftp")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder, "--strict")
    assert done.returncode == 0, done.stderr
    return folder


def heading(markdown: Path) -> str:
    """The first heading of a document."""
    (found, *_) = re.findall(r"^# (.+)$", markdown.read_text(encoding="utf-8"), re.MULTILINE)
    return str(found)


def documents() -> dict[str, Path]:
    """Page -> the document that it is made of: all that there are, whatever the hook names."""
    pages = {f"{path.stem}.html": path for path in (ROOT / "docs").glob("*.md")}
    models = {path.parent for path in (ROOT / "assets").glob("*/*.safetensors")}
    pages |= {f"models/{folder.name}.html": folder / "README.md" for folder in models}
    pages |= {"index.html": ROOT / "README.md"}
    return pages | {f"{name.lower()}.html": ROOT / f"{name}.md" for name in ("CONTRIBUTING", "CHANGELOG")}


def test_every_document_is_a_page_and_in_the_menu(site: Path) -> None:
    start = seen(site / "index.html")
    found = documents()
    assert len(found) >= 14
    for page, source in found.items():
        text = re.sub(r"<[^>]+>", "", (site / page).read_text(encoding="utf-8").partition("<article")[2])
        assert heading(source) in html.unescape(text), page
        assert page in start.links or page == "index.html", page


def test_the_start_page_is_the_readme_with_its_pictures(site: Path) -> None:
    page = seen(site / "index.html")
    assert {"assets/text-images.png", "assets/class-images.png"} <= set(page.loads)
    assert {"the-app", "the-command-line", "from-python", "the-shipped-models"} <= page.anchors
    assert {"threat-model.html", "contributing.html", "models/tiny-clip.html", "LICENSE.txt"} <= set(page.links)


def test_what_programs_import_is_there_with_its_arguments(site: Path) -> None:
    page = seen(site / "packages/crossmax_studio.html")
    assert {f"crossmax_studio.{name}" for name in crossmax_studio.__all__} <= page.anchors
    text = re.sub(r"<[^>]+>|\s+", " ", (site / "packages/crossmax_studio.html").read_text(encoding="utf-8"))
    assert "the largest distance from the images, in [0, 1] pixel units" in text  # eps of attack
    assert "That makes the same again." in text  # a property of a picture


@pytest.mark.parametrize("package", ["generator", "robust_model", "clip_model", "app"])
def test_a_package_has_the_overviews_of_all_in_it(site: Path, package: str) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", "", (site / f"packages/{package}.html").read_text(encoding="utf-8")))
    for path in (ROOT / package).rglob("__init__.py"):
        name = ".".join(path.parent.relative_to(ROOT).parts)
        (first, *_) = path.read_text(encoding="utf-8").removeprefix('"""').splitlines()
        assert name in text and first[:40].replace("`", "") in text, name


def test_numbered_items_keep_what_belongs_to_them(site: Path) -> None:
    """The overview of the generator has one list of seven rooms, some of two lines."""
    article = (site / "packages/generator.html").read_text(encoding="utf-8").partition("<article")[2]
    (numbered,) = re.findall(r"<ol>.*?</ol>", article.partition("<h2")[0], re.DOTALL)
    assert numbered.count("<li>") == 7 and "within a bound" in numbered


def test_lists_in_lists_stay_in_them(site: Path) -> None:
    """A model's card tells what each of the models that it was made of was trained by, two columns in."""
    card = (ROOT / "assets/tiny-clip/README.md").read_text(encoding="utf-8")
    assert re.search(r"^- Made of 'clip-2600'.*\n  - Command: ", card, re.MULTILINE)
    page = (site / "models/tiny-clip.html").read_text(encoding="utf-8")
    assert re.search(r"Made of 'clip-2600'[^<]*\s*<ul>\s*<li>Command: ", page)


def test_links_and_anchors_lead_somewhere(site: Path) -> None:
    pages = {path: seen(path) for path in site.rglob("*.html") if path.name != "404.html"}
    wrong = []
    for path, page in pages.items():
        for address in page.links + page.loads:
            parts = urlsplit(address)
            if foreign(address) or parts.scheme in ("data", "mailto"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                wrong.append(f"{path.name}: {address}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                wrong.append(f"{path.name}: {address} (no such anchor)")
    assert len(pages) >= 20 and not wrong, wrong


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    loads = []
    for path in site.rglob("*.html"):
        page = seen(path)
        inline = re.findall(r"<style[^>]*>(.*?)</style>", path.read_text(encoding="utf-8"), re.DOTALL)
        loads += [*page.loads, *fetched_by_css("\n".join(inline + page.styles))]
        assert "mermaid" not in page.classes  # for these the theme's script would fetch Mermaid
    for path in site.rglob("*.css"):
        loads += fetched_by_css(path.read_text(encoding="utf-8"))
    assert len(loads) > 100 and [address for address in loads if foreign(address)] == []
    scripts = site / "assets" / "javascripts"
    for path in [
        *scripts.glob("*.js"),
        *scripts.glob("workers/*.js"),
    ]:  # beside them lie languages that are not English
        hosts = set(HOST.findall(path.read_text(encoding="utf-8")))
        assert hosts <= KNOWN_IN_SCRIPTS, path.name


def test_foreign_loads_are_seen() -> None:
    page = Seen()
    page.feed(
        '<link rel="stylesheet" href="https://fonts.googleapis.com/css"><script src="//cdn.example/x.js"></script>'
        '<img srcset="https://a.example/1.png 1x, b.png 2x"><a href="https://arxiv.org/abs/1">read</a>'
    )
    assert [foreign(address) for address in page.loads] == [True, True, True, False]
    assert fetched_by_css("@import 'https://a.example/a.css'; b { background: url(//c.example/d.png) }") == [
        "https://a.example/a.css",
        "//c.example/d.png",
    ]


def test_links_to_nowhere_fail_the_build(tmp_path: Path) -> None:
    """The same site, with a page whose links lead to no page, no file, and no heading of its own or another page."""
    wrong = ("nowhere.md", "../scripts/nothing.py", "units.md#none-such", "../README.md#nor-this")
    pages = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", pages)
    text = "".join(f"[there]({address})\n" for address in wrong)
    (pages / "units.md").write_text(f"# Units\n\n{text}", encoding="utf-8")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    places = {
        "docs_dir: docs": f"docs_dir: {pages}",
        "[scripts/": f"[{ROOT}/scripts/",
        "paths: [.]": f"paths: [{ROOT}]",
    }
    for given, meant in places.items():
        assert settings.count(given) == 1
        settings = settings.replace(given, meant)
    file = tmp_path / "mkdocs.yml"
    file.write_text(settings, encoding="utf-8")
    done = build(tmp_path / "site", configuration=file)
    assert done.returncode != 0
    assert [name for name in ("nowhere.md", "nothing.py", "none-such", "nor-this") if name not in done.stderr] == []

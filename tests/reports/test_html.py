"""The page: whole, escaped, self-contained, and readable in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from vitobench.reports.html import render_html, write_html
from vitobench.reports.wording import interval, percent

VOID = {"meta", "br", "hr", "img", "input", "link", "wbr"}
CHROMIUM = shutil.which("chromium")


class Page(HTMLParser):
    """Collects text, ids and addresses, and checks that every element is closed in turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.addresses, self.words, self.tags = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self._note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self._note(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def _note(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.addresses.append(value)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def pages():
    return {}


@pytest.fixture
def page(pages, make_report):
    """A rendered page, each variant made once."""

    def make(**options):
        key = tuple(sorted(options.items()))
        if key not in pages:
            pages[key] = render_html(make_report(**options))
        return pages[key]

    return make


def test_page_is_self_contained(page):
    text = page(models=3, holes=True)
    parsed = Page(text)
    assert all(address.startswith("#") for address in parsed.addresses)
    assert not re.search(r"url\((?!#)", text)
    assert not re.search(r"https?://", text)
    assert not {"script", "link", "img", "iframe"} & set(parsed.tags)
    assert "@import" not in text
    assert len(parsed.ids) == len(set(parsed.ids))


def test_every_value_is_on_the_page(page, make_report):
    words = Page(page(models=3)).text
    for score in make_report(3).scores:
        assert percent(score.value) in words
        assert interval(score.ci_low, score.ci_high) in words


def test_verdicts_and_provenance(page):
    words = Page(page(models=3)).text
    assert "vito-micro against its baseline supervised-micro" in words
    assert "▲ +5.0" in words
    assert "procedural world" in words
    for fact in ("vito-micro@77ac01f2", "9f86d081884c7d65", "5f0c1d9e77ab42c1", "ICLR 2019", "2.9.0", "bench report"):
        assert fact in words


def test_missing_stands_before_the_headline(page):
    text = page(models=3, holes=True)
    assert text.index("the model returned NaN logits") < text.index('id="headline"')
    assert 'class="hole" title="not measured">—' in text
    assert "Missing from this report" not in page(models=3)


def test_the_same_data_gives_the_same_page(page, make_report):
    assert page(models=1) == render_html(make_report(models=1))


def test_everything_is_escaped(make_report):
    name = "<script>alert(1)</script>\"' --><b>"
    text = render_html(make_report(1, names=(name,), holes=True))
    parsed = Page(text)
    assert "script" not in parsed.tags
    assert "b" not in parsed.tags
    assert name in parsed.text


def test_eight_models_and_two_worlds_stay_small(page):
    text = page(models=8, photographs=True, holes=True)
    assert len(text.encode()) < 1_500_000
    words = Page(text).text
    assert "Some of these tasks show a procedural world" in words
    assert "Photographs" in words


def test_write_replaces_and_leaves_nothing_aside(tmp_path, make_report, monkeypatch):
    target = tmp_path / "deep" / "report.html"
    data = make_report(1)
    monkeypatch.setattr("vitobench.reports.html.render_html", lambda given: f"<p>{given.title} é")
    write_html(data, target)
    write_html(data, target)
    assert target.read_text(encoding="utf-8") == "<p>robustness é"
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def chromium(tmp_path, *options):
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--no-first-run", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        "--virtual-time-budget=3000", f"--user-data-dir={tmp_path / 'profile'}", *options,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it(tmp_path, page, width):
    source, picture, frame = tmp_path / "report.html", tmp_path / "shot.png", tmp_path / "frame.html"
    # The page itself holds no script; this copy gets one that tells how wide its content is. It is asked inside a frame
    # because a window of the browser cannot be as narrow as a phone.
    probe = "<script>parent.postMessage([innerWidth, document.documentElement.scrollWidth].join(' '), '*')</script>"
    source.write_text(page(models=3, holes=True).replace("</body>", f"{probe}</body>"), encoding="utf-8")
    frame.write_text(
        "<script>onmessage = told => document.title = told.data</script>"
        f'<iframe src="{source.name}" width="{width}" height="800" style="border: 0"></iframe>'
    )
    chromium(tmp_path, f"--window-size={width},1600", f"--screenshot={picture}", source.as_uri())
    assert picture.stat().st_size > 40_000
    dom = chromium(tmp_path, "--window-size=1600,1000", "--dump-dom", frame.as_uri())
    found = re.search(r"<title>(\d+) (\d+)</title>", dom)
    assert found
    inner, content = map(int, found.groups())
    assert inner == width
    assert content <= inner

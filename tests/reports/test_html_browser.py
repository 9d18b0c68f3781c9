"""The page in a browser: how wide it is, that it asks nobody for anything, and that its script does what it should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from vitobench.reports.data import Disagreement, Gallery, Picture, Said
from vitobench.reports.page.html import render_html

from .test_alignment_figures import build

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium or chrome on the path")


@pytest.fixture
def browser(tmp_path):
    def run(*options):
        command = [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--no-first-run", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=3000",
            f"--user-data-dir={tmp_path / 'profile'}", *options,
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return run


@pytest.fixture(scope="module")
def pages():
    return {}


@pytest.fixture
def page(pages, make_report):
    """A rendered page, each variant made once."""

    def make(models, **options):
        key = (models, *sorted(options.items()))
        if key not in pages:
            pages[key] = render_html(make_report(models, **options))
        return pages[key]

    return make


def with_probe(text, script):
    """A copy of the page with a script of the test's own, which the page's policy would not let run."""
    copy, dropped = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert dropped == 1
    return copy.replace("</body>", f"<script>{script}</script></body>")


def widths(tmp_path, browser, text, width):
    """How wide the window and the page in it are, in pixels."""
    source, frame = tmp_path / "probed.html", tmp_path / "frame.html"
    # It is asked inside a frame because a window of the browser cannot be as narrow as a phone.
    probe = "parent.postMessage([innerWidth, document.documentElement.scrollWidth].join(' '), '*')"
    source.write_text(with_probe(text, probe), encoding="utf-8")
    frame.write_text(
        "<script>onmessage = told => document.title = told.data</script>"
        f'<iframe src="{source.name}" width="{width}" height="800" style="border: 0"></iframe>'
    )
    found = re.search(r"<title>(\d+) (\d+)</title>", browser("--window-size=1600,1000", "--dump-dom", frame.as_uri()))
    assert found
    return int(found[1]), int(found[2])


@pytest.mark.parametrize(("models", "width"), [(3, 1280), (12, 390)])
def test_it_fits_the_window(tmp_path, browser, page, models, width):
    source, picture = tmp_path / "report.html", tmp_path / "shot.png"
    text = page(models, names=tuple(f"model-{n}" for n in range(models)), holes=True)
    source.write_text(text, encoding="utf-8")
    browser(f"--window-size={width},1600", f"--screenshot={picture}", source.as_uri())
    assert picture.stat().st_size > 40_000
    inner, content = widths(tmp_path, browser, text, width)
    assert content <= inner == width


def test_every_part_fits_a_phone(tmp_path, browser, make_report):
    said = Said("a-model-with-a-long-name@0123456789abcdef", "mushroom", 0.5, False), Said("b", "ring", 0.9, True)
    picture = Picture("val-0-000001", "ring", "image/webp", b"", 64, said)
    part = Disagreement("Micro-C", "shot_noise/5", said[0].model, "b", (1, 2, 3, 4), (picture,) * 6, (picture,) * 6, 15)
    data = make_report(3, holes=True, photographs=True)
    text = render_html(replace(data, alignment=(build(3, simulated=True),), gallery=Gallery((part,))))
    assert all(f'<h2 id="{anchor}"' in text for anchor in ("headline", "published", "alignment", "gallery", "figures"))
    # Closed parts are as wide as open ones only once they are open.
    inner, content = widths(tmp_path, browser, text.replace("<details>", "<details open>"), 390)
    assert content <= inner == 390


def asked_for(log):
    """Addresses of hosts that a page asked for, by the browser's log; the browser's own requests have no origin."""
    text = log.read_text(encoding="utf-8", errors="replace")
    asked = re.findall(r'"initiator":"([^"]*)"[^\n]*?"url":"(https?://[^"]+)"', text)
    return {url for initiator, url in asked if initiator != "not an origin"}


def test_it_asks_nobody(tmp_path, browser, page):
    text = page(3, holes=True)
    source, control = tmp_path / "report.html", tmp_path / "control.html"
    source.write_text(text, encoding="utf-8")
    wanted = {"http://pictures.invalid/x.png", "https://fonts.googleapis.com/css"}
    control.write_text("".join(f'<img src="{url}">' for url in wanted), encoding="utf-8")
    logs = tmp_path / "page.json", tmp_path / "control.json"
    browser(f"--log-net-log={logs[0]}", "--dump-dom", source.as_uri())
    browser(f"--log-net-log={logs[1]}", "--dump-dom", control.as_uri())
    assert asked_for(logs[1]) == wanted
    assert asked_for(logs[0]) == set()


def test_the_policy_lets_this_script_run_and_no_other(tmp_path, browser, page):
    source = tmp_path / "report.html"
    foreign = "<script>document.title = 'foreign'</script></body>"
    source.write_text(page(3).replace("</body>", foreign), encoding="utf-8")
    dom = browser("--dump-dom", source.as_uri())
    assert "<title>foreign" not in dom
    assert 'aria-haspopup="dialog"' in dom


def test_a_number_tells_its_source_and_a_table_can_be_sorted(tmp_path, browser, page):
    source = tmp_path / "report.html"
    probe = """
      const value = document.querySelector('#headline ~ .scroll td .value');
      value.focus();
      value.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));
      const second = document.activeElement.closest('td').cellIndex;
      value.click();
      const shown = document.getElementById('origin');
      const table = document.querySelector('table.sortable');
      const read = () => [...table.tBodies[0].rows].map(
        row => row.cells[1].querySelector('.value').textContent.replace('\\u2212', '-'));
      const before = read(), button = table.querySelector('.sort');
      button.click(); const down = read();
      button.click(); const up = read();
      button.click();
      const facts = {second, open: shown.open, text: shown.textContent, before, down, up, after: read()};
      document.documentElement.dataset.facts = encodeURIComponent(JSON.stringify(facts));
    """
    source.write_text(with_probe(page(3), probe), encoding="utf-8")
    found = re.search(r'data-facts="([^"]+)"', browser("--dump-dom", source.as_uri()))
    assert found
    from urllib.parse import unquote

    facts = json.loads(unquote(found[1]))
    assert facts["second"] == 2
    assert facts["open"]
    for fact in (
        "vito-micro@77ac01f2",
        "9f86d081884c7d65",
        "micro-val@1b9caa71",
        "5f0c1d9e77ab42c1",
        "n = 800",
        "2.9.0",
    ):
        assert fact in facts["text"]
    assert "seed" in facts["text"]
    numbers = list(map(float, facts["before"]))
    assert numbers != sorted(numbers, reverse=True)
    assert list(map(float, facts["down"])) == sorted(numbers, reverse=True)
    assert list(map(float, facts["up"])) == sorted(numbers)
    assert facts["after"] == facts["before"]

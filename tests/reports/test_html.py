"""The page: whole, escaped, self-contained, and readable in a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser

import pytest

from vitobench.reports.data import Disagreement, Gallery, Picture, Said
from vitobench.reports.focus import drawn_models
from vitobench.reports.page.html import render_html, write_html
from vitobench.reports.wording import interval, value_text

from .conftest import FAMILIES, FEW

VOID = {"meta", "br", "hr", "img", "input", "link", "wbr"}


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


@pytest.fixture
def make_report(make_report):
    """Of a few corruptions, unless all are asked for."""
    return partial(make_report, families=FEW)


@pytest.fixture(scope="module")
def pages():
    return {}


@pytest.fixture
def page(pages, make_report):
    """A rendered page, each variant made once."""

    def make(**options):
        key = repr(sorted(options.items()))
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
    assert not {"link", "img", "iframe"} & set(parsed.tags)
    assert parsed.tags.count("script") == 1
    assert "@import" not in text
    assert len(parsed.ids) == len(set(parsed.ids))
    # Whatever is led to is there.
    assert {address[1:] for address in parsed.addresses} <= set(parsed.ids)


def test_every_value_is_on_the_page(page, make_report):
    words = Page(page(models=3)).text
    for score in make_report(3).scores:
        assert value_text(score.value, score.metric) in words
        assert interval(score.ci_low, score.ci_high, score.metric) in words


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


def test_the_same_data_gives_the_same_page(page, make_report, pictures):
    first = page(models=1)
    pictures.clear()
    assert first == render_html(make_report(models=1))


def test_everything_is_escaped(make_report):
    name = "<script>alert(1)</script>\"' --><b>"
    text = render_html(make_report(1, names=(name,), holes=True))
    parsed = Page(text)
    assert parsed.tags.count("script") == 1
    assert "b" not in parsed.tags
    assert name in parsed.text


def test_eight_models_and_two_worlds_stay_small(page):
    text = page(models=8, photographs=True, holes=True, families=FAMILIES)
    assert len(text.encode()) < 1_500_000
    words = Page(text).text
    assert "Some of these tasks show a procedural world" in words
    assert "Photographs" in words


def test_write_replaces_and_leaves_nothing_aside(tmp_path, make_report, monkeypatch):
    target = tmp_path / "deep" / "report.html"
    data = make_report(1)
    monkeypatch.setattr("vitobench.reports.page.html.render_html", lambda given: f"<p>{given.title} é")
    write_html(data, target)
    write_html(data, target)
    assert target.read_text(encoding="utf-8") == "<p>robustness é"
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_the_policy_names_the_script_that_stands_on_the_page(page):
    text = page(models=3)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1])
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_heads_of_rows_and_columns_lead_to_sources_without_a_script(page):
    text = page(models=3)
    parsed = Page(text)
    assert {"#model-1", "#model-2", "#model-3", "#task-1"} <= set(parsed.addresses)
    # The target is inside what is closed, so that following the address opens it.
    assert re.search(r'<details><summary>vito-micro</summary><dl id="model-1">', re.sub(r">\s+<", "><", text))


def test_many_models_have_a_line_each_and_a_few_are_drawn(make_report):
    names = tuple(f"model-{number:02d}" for number in range(12))
    data = make_report(12, names=names, families=FAMILIES)
    assert drawn_models(data) == tuple(name for name in names if name != "model-02")[:8]
    text = render_html(data)
    assert "4 more models are only in the tables" in text
    headline = re.search(r'<table class="main sortable" data-title="Headline".*?</table>', text, re.DOTALL)[0]
    assert headline.count('<tr data-m="model-') == 12
    assert "against model-01: " in headline
    assert len(text.encode()) < 3_000_000


def test_a_baseline_that_was_not_to_be_compared_is_none(make_report):
    data = make_report(3)
    assert "against its baseline" in render_html(data)
    text = render_html(replace(data, pairs=(), comparisons=()))
    assert "against its baseline" not in text
    assert ">against " not in text
    # A pair that was asked and has no common image is still said.
    asked = replace(data, pairs=((data.model_names[0], data.model_names[1]),), comparisons=())
    assert "not compared on" in render_html(asked)


def gallery():
    said = Said("<i>model", "ring & star", 0.256, False), Said("other", "star", 0.99, True)
    picture = Picture('id"><script>', "<b>star", "image/webp", b"\x00\xff", 64, said)
    return Gallery(
        (Disagreement("Task <u>", "fog/5", "<i>model", "other", (1, 2, 1003, 4), (), (picture,), 15),), ("<s>",)
    )


def marked(value, mark):
    """A record with the mark in all text that is for people; names and kinds lead from record to record."""
    if isinstance(value, str):
        return value + mark
    if isinstance(value, dict):
        kept = (
            "name",
            "kind",
            "world",
            "clean",
            "metric",
            "baseline",
            "families",
            "reference",
            "shape_classes",
            "views",
            "headline",
        )
        return {key: entry if key in kept else marked(entry, mark) for key, entry in value.items()}
    return [marked(entry, mark) for entry in value] if isinstance(value, (list, tuple)) else value


def test_text_of_any_record_stays_text(make_report):
    data = make_report(3, holes=True)
    mark = "</dd></script><q src=x onerror=alert(1)>\"'&{{ 7 * 7 }}"
    failures = tuple(replace(failure, reason=failure.reason + mark) for failure in data.failures)
    page = render_html(
        replace(
            data,
            title=data.title + mark,
            failures=failures,
            models=tuple(marked(dict(record), mark) for record in data.models),
            tasks=tuple(marked(dict(record), mark) for record in data.tasks),
            run=marked(dict(data.run), mark),
        )
    )
    parsed = Page(page)
    assert failures
    assert "q" not in parsed.tags
    assert parsed.tags.count("script") == 1
    assert parsed.text.count(mark) > 20  # titles, reasons, sources and facts of the run
    assert mark not in page


def test_pictures_stand_with_label_answers_and_counts(make_report):
    text = render_html(replace(make_report(1), gallery=gallery()))
    parsed = Page(text)
    assert "data:image/webp;base64,AP8=" in parsed.addresses
    for words in (
        'id"><script>',
        "<b>star",
        "ring & star 0.26",
        "star 0.99",
        "Of 1,010 images",
        "15 conditions",
        "<s>",
    ):
        assert words in parsed.text
    assert parsed.tags.count("script") == 1
    assert not {"i", "u", "b", "s"} & set(parsed.tags)


def test_published_numbers_stand_apart_and_for_photographs_only(page):
    assert 'id="published"' not in page(models=3)
    text = page(models=3, photographs=True)
    section = text[text.index('<h2 id="published"') :]
    section = section[: section.index("</section>")]
    assert text.index('id="headline"') < text.index('id="figures"') < text.index('id="published"')
    words = Page(f"<section>{section}</section>").text
    assert "not measured here" in words
    assert "ImageNet-C: mCE ↓" in words
    assert "76.4" in words
    assert "RobustBench" in words
    assert "MIT" in words
    assert 'title="not published"' in section
    assert "Micro-world" not in words
    assert text.count("DeiT-B") == section.count("DeiT-B")

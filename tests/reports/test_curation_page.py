from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from vitobench.reports.page.html import ShownClip, render_curation_page, write_curation_page

EVIL = '<script>alert(1)</script>&"'


def summary(classes: int = 2, **more: Any) -> dict[str, Any]:
    rows = [
        {"class": f"{EVIL} {i}", "candidates": 10 - i % 10, "confirmed": 3, "kept": 2, "short": 0}
        for i in range(classes)
    ]
    settings = {"fields": ["title"], "per_class": None, "uncurated": False}
    return {
        "source": EVIL, "classifier": EVIL, "classes_from": EVIL, "against": None, "evaluation_images": 0,
        "evaluation_images_unreadable": 0, "date": "2020-01-01", "settings": settings, "videos": 3, "clips": 5,
        "kept": 2, "would_curate": 2, "reasons": [{"reason": "no-class", "clips": 3, "meaning": "m"},
                                       {"reason": "kept", "clips": 2, "meaning": EVIL}],
        "cap": 2, "classes_asked": 50, "classes_named": classes, "classes_kept": 1, "classes_short": 1,
        "entropy_before": 1.0, "entropy_after": 0.5, "classes": rows, "metadata_problems": 1,
        "metadata_problem_examples": [{"video": EVIL, "problem": EVIL}],
    } | more  # fmt: skip


def shown(**more: Any) -> ShownClip:
    values: dict[str, Any] = {
        "clip": EVIL, "title": EVIL, "reason": "kept", "kept": True, "named": EVIL, "answer": EVIL, "confidence": 0.5,
        "duplicate_of": EVIL, "problem": EVIL, "picture": b"jpeg",
    }  # fmt: skip
    return ShownClip(**(values | more))


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_what_others_wrote_is_shown_and_never_run() -> None:
    page = Page(render_curation_page(summary(), [shown(), shown(picture=None, reason="no-class", kept=False)]))
    assert "script" not in page.tags
    assert EVIL in page.words
    assert page.addresses == ["data:image/jpeg;base64,anBlZw=="]


def test_many_classes_are_folded_and_truth_is_shown_where_there_is_one() -> None:
    truth = {"purity_before": 0.5, "purity_after": None, "entropy_before": 3.0, "entropy_after": 0.0,
             "empty_before": 4, "empty_after": 0}  # fmt: skip
    page = Page(render_curation_page(summary(45, truth=truth), []))
    assert "15 further classes" in page.words
    assert "50.0 %" in page.words
    assert "—" in page.words


def test_a_collection_of_which_nothing_is_known(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_curation_page(summary(0, reasons=[], kept=0), [], path)
    assert "No clip names a class." in path.read_text(encoding="utf-8")


def test_text_that_is_not_utf8_is_written_as_escapes(tmp_path: Path) -> None:
    write_curation_page(summary(source="caf\udce9"), [shown(title="tabby \ud83d")], tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert r"caf\udce9" in page
    assert r"tabby \ud83d" in page

from __future__ import annotations

import base64
import hashlib
import math
import re
from pathlib import Path

import pytest

from harness.report.kit.figures import COLORS, DARK, Figure, axis, layout
from harness.report.kit.html import render, save_document
from harness.report.kit.sections import Section, Table, TextBlock
from harness.report.study.answer import Answer, Sentence
from tests.report.payloads import PAYLOADS
from tests.report.study.test_page import Reader, data_of


def page_of(texts: tuple[str, ...]) -> str:
    """A page with foreign text in every place that takes some."""
    figures = [
        Figure(key=f"figure-{place}", title=text, data=[], layout=layout(axis("x"), axis("y")), alt=text, note=text)
        for place, text in enumerate(texts[:20])
    ]
    table = Table(title=texts[0], head=texts, rows=[texts, texts[::-1]], caption=texts[1])
    section = Section(
        key="one",
        title=texts[2],
        lead=texts[3],
        figures=figures,
        small=[],
        tables=[table],
        texts=[TextBlock(title=text, text=text, command=place % 2 == 0) for place, text in enumerate(texts)],
        empty=texts[4],
    )
    told = Answer(
        headline=texts[5],
        params=tuple((text, text) for text in texts),
        score=texts[6],
        score_of=texts[7],
        sentences=tuple(Sentence(text, text) for text in texts),
        warnings=texts,
    )
    return render(
        "compare.html",
        figures,
        {"texts": list(texts)},
        title=texts[8],
        sections=[("one", text) for text in texts],
        kicker=texts[9],
        answer=told,
        forest=None,
        body=[section],
        footer=texts[10],
    )


@pytest.fixture(scope="module")
def hostile() -> str:
    return page_of(PAYLOADS)


def test_hostile_text_adds_no_tag(hostile: str) -> None:
    quiet, loud = Reader(page_of(("plain",) * len(PAYLOADS))), Reader(hostile)
    assert [tag for tag, _ in loud.tags] == [tag for tag, _ in quiet.tags]


def test_hostile_text_adds_no_attribute(hostile: str) -> None:
    quiet, loud = Reader(page_of(tuple("x" * len(text) for text in PAYLOADS))), Reader(hostile)
    assert [set(attributes) for _, attributes in loud.tags] == [set(attributes) for _, attributes in quiet.tags]
    assert not any(name.startswith("on") for _, attributes in loud.tags for name in attributes)


def test_hostile_text_arrives_as_it_is(hostile: str) -> None:
    assert data_of(hostile)["texts"] == list(PAYLOADS)
    copied = [attributes["data-copy"] for attributes in Reader(hostile).all("button") if "data-copy" in attributes]
    assert copied == list(PAYLOADS[::2])


def test_long_cell_is_cut_and_whole_in_its_title() -> None:
    long = "a label " * 40 + "& end"
    page = page_of((long, *["short"] * 29))
    rows = page[page.index("<tbody>") : page.index("</tbody>")]
    assert f'title="{long.replace("&", "&amp;")}"' in rows
    assert f">{long[:59].rstrip()}…</th>" in rows
    assert 'title="short"' not in rows


def test_policy_allows_our_scripts_and_nothing_else(hostile: str) -> None:
    policy = next(a["content"] for a in Reader(hostile).all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    scripts = re.findall(r"<script>(.*?)</script>", hostile, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]
    assert rules["default-src"] == "'none'"
    assert {"base-uri", "form-action", "img-src", "style-src"} == set(rules) - {"script-src", "default-src"}


def test_plotly_is_embedded_once(hostile: str) -> None:
    assert hostile.count("plotly.js v") == 1


def test_numbers_that_are_none_become_null() -> None:
    page = render(
        "compare.html",
        [],
        {"numbers": [1 / 3, math.nan, math.inf, 10**20, True, None]},
        title="", sections=[], kicker="", forest=None, body=[], footer="",
        answer=Answer(headline="", params=(), score="", score_of="", sentences=(), warnings=()),
    )  # fmt: skip
    assert data_of(page)["numbers"] == [0.333333, None, None, 10**20, True, None]


def test_save_document_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    path = save_document(tmp_path / "folder" / "page.html", "old")
    with pytest.raises(UnicodeEncodeError):
        save_document(path, "\ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert [found.name for found in path.parent.iterdir()] == ["page.html"]


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colors", [COLORS, DARK])
@pytest.mark.parametrize("name", ["blue", "orange", "green", "purple", "grey", "red", "ink"])
def test_marks_stand_out_from_the_page(colors: dict[str, str], name: str) -> None:
    """At least 3:1, which WCAG 2.1 asks of graphics (1.4.11)."""
    light, dark = sorted((luminance(colors[name]), luminance(colors["paper"])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3

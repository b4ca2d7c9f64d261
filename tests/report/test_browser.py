"""The page in a real browser: it works, and hostile text in it does nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.report.compare.page import write_comparison
from harness.report.study.page import write_report
from tests.report.browser import Page, chromium
from tests.report.factory import make_results
from tests.report.payloads import PAYLOADS

pytestmark = pytest.mark.browser
HOVER = """for (const div of document.querySelectorAll('.js-plotly-plot')) {
    const trace = div.data.findIndex((one) => one.type === 'scatter' && one.customdata);
    if (trace >= 0) Plotly.Fx.hover(div, [{curveNumber: trace, pointNumber: 0}], 'xy');
}"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    results = make_results(folder, trials=24, checkpoints=("org/large", "org/small"), conditional=True)
    return write_report(results, folder / "out")


@pytest.fixture
def page(browser: Page, report: Path) -> Page:
    browser.open(report)
    return browser


def column(page: Page, place: int) -> list[str]:
    """The texts of a column of the leaderboard, shown rows only."""
    script = """return [...document.querySelectorAll('#trials tr.trial')].filter((row) => !row.hidden)
        .map((row) => row.cells[arguments[0]].textContent)"""
    found: list[str] = page.run(script, place)
    return found


def heads(page: Page) -> list[str]:
    found: list[str] = page.run("return [...document.querySelectorAll('#trials thead th')].map((th) => th.textContent)")
    return found


def test_page_draws_every_figure_without_a_message_or_request(page: Page, report: Path) -> None:
    assert page.run("return document.querySelectorAll('.plotly-graph-div:not(.js-plotly-plot)').length") == 0
    assert page.run("return document.querySelectorAll('.plotly-graph-div .main-svg').length") > 30
    assert page.noted() == []
    assert page.requests == [report.as_uri()]


def test_page_is_loaded_when_its_figures_are_drawn(page: Page, report: Path) -> None:
    page.driver.get(report.as_uri())
    assert page.run("return document.querySelectorAll('.plotly-graph-div:not(.js-plotly-plot)').length") == 0
    assert page.noted() == []


def test_click_on_a_head_sorts(page: Page) -> None:
    place = heads(page).index("learning rate")
    script = "document.querySelectorAll('#trials thead th button')[arguments[0]].click()"
    page.run(script, place)
    falling = [float(text) for text in column(page, place)]
    page.run(script, place)
    rising = [float(text) for text in column(page, place)]
    assert falling == sorted(falling, reverse=True)
    assert rising == sorted(rising)
    assert page.run("return document.querySelectorAll('#trials th[aria-sort=ascending]').length") == 1
    assert page.noted() == []


QUERIES: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("pruned", "state", lambda text: text.startswith("pruned")),
    ("batch_size=16", "batch size", lambda text: text == "16"),
    ("accuracy>86", "accuracy", lambda text: float(text.split()[0]) >= 86),
    ("batchsize<=16 complete", "batch size", lambda text: int(text) <= 16),
    ("batch size=16", "batch size", lambda text: text == "16"),
    ("complete Batch Size = 16", "batch size", lambda text: text == "16"),
    ("samples/s>140", "samples/s", lambda text: float(text) >= 140),
    ("tokens/s<2000", "tokens/s", lambda text: float(text.replace(",", "")) <= 2000),
    ("peak memory>0.9", "peak memory", lambda text: float(text.removesuffix(" GiB")) >= 0.9),
    ("peak_memory_mib>900", "peak memory", lambda text: float(text.removesuffix(" GiB")) >= 0.87),
    ("duration>30", "duration", lambda text: float(text.removesuffix(" s")) >= 30),
    ("trial>10", "trial", lambda text: int(re.match(r"\d+", text)[0]) > 10),
    ("checkpoint=small", "checkpoint", lambda text: text == "small"),
)


def test_filter_leaves_the_rows_that_fit(page: Page) -> None:
    script = """const box = document.getElementById('filter'); box.value = arguments[0];
        box.dispatchEvent(new Event('input'))"""
    everything = len(column(page, 0))
    for query, head, fits in QUERIES:
        page.run(script, query)
        found = column(page, heads(page).index(head))
        assert 0 < len(found) < everything
        assert all(map(fits, found)), query
        shown = page.run("return document.getElementById('shown').textContent")
        assert shown == f"{len(found)} of {everything} shown"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("speed>3", "Left out: no column “speed”."),
        ("pruned spedd>3 batch size=x", "Left out: no column “spedd”; “x” is not a number."),
        ("batch size=", ""),
    ],
)
def test_filter_says_what_it_does_not_understand(page: Page, query: str, said: str) -> None:
    script = """const box = document.getElementById('filter'); box.value = arguments[0];
        box.dispatchEvent(new Event('input')); return document.getElementById('problem').textContent"""
    assert page.run(script, query) == said
    assert len(column(page, 0)) > 0


def test_state_boxes_filter(page: Page) -> None:
    page.click("input[name=state][value=PRUNED]")
    assert not any(text.startswith("pruned") for text in column(page, heads(page).index("state")))


def test_click_on_a_trial_opens_and_closes_it(page: Page) -> None:
    page.click("#trials .open")
    page.settle()
    detail = page.run("return document.querySelector('tr.detail').textContent")
    for text in ("Learning curve", "End of the log", "epoch 0.19", "harness rerun", "harness export", "seed 0"):
        assert text in detail
    assert page.run("return document.querySelectorAll('tr.detail .main-svg').length") > 0
    page.click("#trials .open")
    assert page.run("return document.querySelectorAll('tr.detail').length") == 0
    assert page.noted() == []


def test_theme_button_turns_page_and_figures_dark_and_back(page: Page) -> None:
    script = """return [getComputedStyle(document.body).backgroundColor,
        getComputedStyle(document.querySelector('.xtick text')).fill]"""
    light = page.run(script)
    page.click("#theme")
    page.settle()
    dark = page.run(script)
    page.click("#theme")
    page.settle()
    assert dark[0] != light[0]
    assert dark[1] != light[1]
    assert page.run(script) == light
    assert page.noted() == []


def test_slider_names_the_checkpoint_that_is_fast_enough(page: Page) -> None:
    script = """const floor = document.getElementById('floor'); floor.value = arguments[0];
        floor.dispatchEvent(new Event('input')); return document.getElementById('floor-pick').textContent"""
    fastest = page.run("return document.getElementById('floor').max")
    assert page.run(script, "0") != page.run(script, fastest)
    assert "Take org/" in page.run(script, fastest)
    assert "Take org/" in page.run(script, "77.12345")
    shown = page.run("return document.getElementById('floor-value').textContent")
    assert shown == "at least 77.1\u00a0rows/s"


def test_page_fits_its_window(page: Page) -> None:
    for width in (400, 2000):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        page.driver.refresh()
        page.settle()
        assert page.run("return document.documentElement.scrollWidth") <= width
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert page.noted() == []


@pytest.fixture
def narrow(page: Page) -> Iterator[Page]:
    """The page on a phone."""
    size = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.driver.refresh()
    page.settle()
    yield page
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_score_and_interval_are_in_view_on_a_narrow_page(narrow: Page) -> None:
    assert heads(narrow)[:3] == ["trial", "accuracy", "95 % interval"]
    script = """const box = document.querySelector('#leaderboard .scroll').getBoundingClientRect();
        return [...document.querySelectorAll('#trials tr.trial')].every((row) =>
            row.cells[2].getBoundingClientRect().right <= box.right)"""
    assert narrow.run(script)


def test_warnings_stand_under_the_headline_on_a_narrow_page(narrow: Page) -> None:
    script = """return ['#answer-title', '.warnings', '.score', '.facts', '#answer figure'].map((one) =>
        document.querySelector(one).getBoundingClientRect().top)"""
    tops = narrow.run(script)
    assert tops == sorted(tops)
    assert len(set(tops)) == len(tops)


def test_texts_wrap_within_a_narrow_page(narrow: Page) -> None:
    script = """return [...document.querySelectorAll('td.text')].map((cell) => {
        const [own, box] = [cell.getBoundingClientRect(), cell.closest('.scroll').getBoundingClientRect()];
        return own.right <= box.right + 1 && own.left >= box.left - 1})"""
    found = narrow.run(script)
    assert len(found) > 20
    assert all(found)


def test_every_box_that_scrolls_can_be_reached_and_has_a_name(narrow: Page) -> None:
    narrow.click("#trials .open")
    narrow.settle()
    script = """return [...document.querySelectorAll('#content *')].filter((one) =>
        /auto|scroll/.test(getComputedStyle(one).overflowX) && one.scrollWidth > one.clientWidth + 1 &&
        !(one.tabIndex === 0 && one.getAttribute('aria-label') && one.getAttribute('role') === 'region')
        ).map((one) => one.outerHTML.slice(0, 80))"""
    assert narrow.run(script) == []
    assert narrow.run(script.replace("!(", "(")) != []


def test_hostile_text_does_nothing(browser: Page, tmp_path: Path) -> None:
    """300 payloads as label, message, log, param name and value, and everything else that a user names."""
    results = make_results(
        tmp_path, trials=300, labels=PAYLOADS, text=PAYLOADS, message=PAYLOADS, hostile=PAYLOADS, column=PAYLOADS[0],
        checkpoints=PAYLOADS[3:6], baseline=PAYLOADS[1], device=PAYLOADS[2], warning=PAYLOADS[7], note=PAYLOADS[8],
        fail_every=2, rows=900, accuracy=0.3,
    )  # fmt: skip
    path = write_report(results, tmp_path / "report")
    browser.open(path)
    for number in range(0, 300, 50):
        browser.click(f"tr[data-n='{number}'] .open")
    browser.settle()
    browser.run(HOVER)
    assert browser.noted() == []
    assert browser.requests == [path.as_uri()]
    assert browser.run("return window.owned") is None
    assert browser.driver.title == "reviews"
    links = browser.run(
        "return [...document.querySelectorAll('a')].map((a) => a.getAttribute('href') ?? a.getAttribute('xlink:href'))"
    )
    assert all(link.startswith("#") for link in links)
    foreign = "script, iframe, object, embed, form, base, img, video, style"
    assert browser.run("return document.getElementById('content').querySelectorAll(arguments[0]).length", foreign) == 0
    shown = browser.run("return document.getElementById('content').textContent")
    assert "<img src=x onerror=alert(1)>" in shown


def test_comparison_draws_without_a_message(browser: Page, tmp_path: Path) -> None:
    runs = [make_results(tmp_path / name, trials=12, name=name) for name in ("one", "two")]
    path = write_comparison(runs, tmp_path / "report")
    browser.open(path)
    assert browser.noted() == []
    assert browser.requests == [path.as_uri()]
    assert browser.run("return document.querySelectorAll('.js-plotly-plot').length") == 4

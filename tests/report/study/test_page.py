from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.records.final import DECISIONS, SHOWN
from harness.records.results import Results
from harness.records.schema import TrialState
from harness.report.study.page import write_report
from tests.report.factory import Shape, make_results

ODD = {
    "one-trial": {"trials": 1, "fail_every": 0, "confirm": 0},
    "no-trial": {"trials": 0},
    "only-failed": {"trials": 5, "only_failed": True},
    "one-failed": {"trials": 1, "only_failed": True},
    "two-trials": {"trials": 2, "fail_every": 0},
    "two-objectives": {"objectives": ("accuracy", "samples_per_second")},
    "speed-first": {"objectives": ("samples_per_second", "accuracy")},
    "less-is-better": {"objectives": ("log_loss",)},
    "chinese-labels": {"labels": ("积极", "消极", "中性"), "text": "这家酒店的房间很干净，第 {row} 次入住。"},
    "long-labels": {"labels": ("a" * 300, "b c " * 75, "d" * 299 + "é")},
    "right-to-left": {"labels": ("إيجابي", "سلبي", "محايد"), "text": "הטקסט הזה נכתב מימין לשמאל {row} \u202e!"},
    "one-label": {"labels": ("only",)},
    "many-labels": {"labels": tuple(f"class {k}" for k in range(77))},
    "undecided": {"final": False},
    "unconfirmed": {"confirm": 0},
    "conditional": {"conditional": True},
    "checkpoints": {"checkpoints": ("a/first", "b/second", "c/third")},
    "fixed": {"extra_params": {"preprocess": ("nfkc", "lowercase"), "layers": None}},
    "few-rows": {"rows": 3},
    "no-pruning": {"prune": False, "fail_every": 0},
}


class Reader(HTMLParser):
    """The parts of a page that tests ask for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def figures(self) -> list[dict[str, str | None]]:
        return [a for a in self.all("div") if "plotly-graph-div" in (a.get("class") or "").split()]


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    loaded: dict[str, Any] = json.loads(found[1])
    return loaded


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("usual")
    return write_report(make_results(folder), folder / "report").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ODD)
def test_page_of_an_odd_study_is_whole(name: str, tmp_path: Path) -> None:
    results = make_results(tmp_path, Shape(**{"trials": 14, **ODD[name]}))
    page = write_report(results, tmp_path / "report").read_text(encoding="utf-8")
    found = Reader(page)
    keys = [attributes["id"] for attributes in found.all("section")]
    assert [key for key in keys if key != "checkpoints"] == [
        "answer", "leaderboard", "search", "training", "winner", "evidence",
    ]  # fmt: skip
    assert len([row for row in found.all("tr") if row.get("class", "") and "trial" in str(row["class"])]) == len(
        results.trials
    )
    drawn = data_of(page)["figures"]
    assert sorted(str(figure["data-figure"]) for figure in found.figures()) == sorted(drawn)
    assert len(page) < 7 * 2**20
    assert (tmp_path / "report" / "summary.md").read_text(encoding="utf-8").startswith("## ")


def test_sections_come_in_order(usual: str, tmp_path: Path) -> None:
    compared = make_results(tmp_path, trials=12, checkpoints=("a/x", "b/y"))
    page = write_report(compared, tmp_path / "report").read_text(encoding="utf-8")
    assert [a["id"] for a in Reader(page).all("section")] == [
        "answer", "leaderboard", "search", "training", "checkpoints", "winner", "evidence",
    ]  # fmt: skip
    assert "checkpoints" not in [a["id"] for a in Reader(usual).all("section")]


def test_every_figure_has_a_title_a_description_and_axes(usual: str) -> None:
    found = Reader(usual).figures()
    assert len(found) >= 18
    assert all(figure["role"] == "img" and len(str(figure["aria-label"])) > 30 for figure in found)
    for key, figure in data_of(usual)["figures"].items():
        titles = [figure["layout"][axis].get("title", {}).get("text") for axis in ("xaxis", "yaxis")]
        assert any(titles) or key == "parallel", key


def test_figures_use_neither_webgl_nor_code_made_at_run_time(usual: str) -> None:
    kinds = {trace["type"] for figure in data_of(usual)["figures"].values() for trace in figure["data"]}
    assert kinds == {"scatter", "bar", "heatmap"}


def test_page_names_the_things_the_reader_needs(usual: str) -> None:
    for text in ("Use the model of trial", "Against the runner-up", "Against the baseline", "harness sweep"):
        assert text in usual


def test_table_heads_have_a_scope(usual: str) -> None:
    assert all(attributes.get("scope") in ("col", "row") for attributes in Reader(usual).all("th"))


def test_page_loads_nothing(usual: str) -> None:
    found = Reader(usual)
    assert not any(attributes.get("src") for _, attributes in found.tags)
    links = [attributes["href"] for tag in ("a", "link") for attributes in found.all(tag)]
    assert all(str(link).startswith(("#", "data:,")) for link in links)


def test_state_of_a_running_study_is_shown(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=12, final=False)
    running = results.trials[-1].model_copy(update={"state": TrialState.RUNNING, "history": (), "spans": ()})
    waiting = running.model_copy(update={"state": TrialState.WAITING, "number": 12, "place": None})
    changed = _changed(results, trials=(*results.trials[:-1], running, waiting))
    page = write_report(changed, tmp_path / "report").read_text(encoding="utf-8")
    assert "11 of 13 trials have ended, 1 is running, 1 is waiting</h1>" in page
    assert '<p class="more">Best so far: trial ' in page
    assert "test not opened yet" in page


def _changed(results: Results, **fields: Any) -> Results:
    names = ("folder", "spec", "trials", "confirm", "baselines", "final", "manifest", "live")
    return Results(**({name: getattr(results, name) for name in names} | fields))


def test_page_without_predictions_says_so(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=12)
    shutil.rmtree(results.folder / "final")
    page = write_report(results, tmp_path / "report").read_text(encoding="utf-8")
    assert "no longer in the run folder" in page


def test_broken_predictions_are_left_out(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=12)
    (results.folder / "final" / "winner.npz").write_bytes(b"PK\x03\x04 no archive")
    page = write_report(results, tmp_path / "report").read_text(encoding="utf-8")
    assert "no longer in the run folder" in page


def test_errors_have_no_text_where_the_rows_were_not_kept(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=12, text="a text that only the data has {row}")
    with_texts = write_report(results, tmp_path / "one").read_text(encoding="utf-8")
    (results.folder / DECISIONS / SHOWN).unlink()
    without = write_report(results, tmp_path / "two").read_text(encoding="utf-8")
    assert "a text that only the data has" in with_texts
    assert "a text that only the data has" not in without
    assert "so they cannot be shown" in without


@pytest.mark.parametrize("path", ["../../secret.txt", "/etc/hostname", "trials/0/link", "."])
def test_log_outside_the_run_is_not_read(path: str, tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=2, fail_every=0)
    (tmp_path / "secret.txt").write_text("top secret", encoding="utf-8")
    (results.folder / "trials" / "0" / "link").symlink_to(tmp_path / "secret.txt")
    trials = tuple(record.model_copy(update={"log": path}) for record in results.trials)
    page = write_report(_changed(results, trials=trials), tmp_path / "report").read_text(encoding="utf-8")
    assert "top secret" not in page
    logs = [trial["log"].splitlines() for trial in data_of(page)["trials"].values()]
    assert all(line.startswith("step ") for lines in logs for line in lines[:-1])
    assert [lines[-1] for lines in logs] == [trial.state.value.lower() for trial in trials]


def test_password_of_the_storage_is_not_shown(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=2)
    url = "postgresql://me:hunter2@host/db"
    spec = results.spec.model_copy(update={"search": results.spec.search.model_copy(update={"storage": url})})
    page = write_report(_changed(results, spec=spec), tmp_path / "report").read_text(encoding="utf-8")
    assert "hunter2" not in page


@pytest.mark.long
def test_many_trials_make_a_page_of_sensible_size(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=2000, rows=50)
    page = write_report(results, tmp_path / "report").read_text(encoding="utf-8")
    assert len(page.encode()) < 9 * 2**20
    assert "Shown are 400 of" in page
    assert len(data_of(page)["trials"]) == 2000


def test_two_hundred_trials_stay_below_seven_mebibytes(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=200, log="epoch {epoch:.2f} loss {loss:.3f}\n" * 200)
    assert write_report(results, tmp_path / "report").stat().st_size < 7 * 2**20


def test_report_of_a_report_is_written_in_place(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=3)
    write_report(results, tmp_path / "report")
    write_report(results, tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["index.html", "summary.md"]


def test_writing_a_report_loads_neither_torch_nor_ray(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.report.factory import make_results\n"
        "from harness.report.study.page import write_report\n"
        f"write_report(make_results(Path({str(tmp_path)!r}), trials=12), Path({str(tmp_path)!r}) / 'report')\n"
        "print(sorted({'torch', 'transformers', 'ray'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert done.stdout.strip() == "[]", done.stderr


def test_leaderboard_says_its_order_and_whether_a_score_is_a_mean(usual: str, tmp_path: Path) -> None:
    assert "The 3 configurations that were trained again with other seeds stand first, with the mean" in usual
    assert usual.count("(mean of 3)") >= 3
    single = make_results(tmp_path, trials=6, confirm=0)
    page = write_report(single, tmp_path / "report").read_text(encoding="utf-8")
    assert "Every trial with its score on the validation rows, of one training each" in page
    assert "(mean of" not in page

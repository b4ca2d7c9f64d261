"""The smoke study of each task through every command: sweep, report, export, predict, rerun, bench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.records.results import load
from tests.tasks.drawn import drawn

STUDIES = Path(__file__).parents[1] / "studies"
#: The smoke study of each task, and inputs that its export predicts.
TASKS = {
    "multi-label-classification": (("The soup was hot, and the waiter forgot our names.",), "labels"),
    "token-classification": (("Mira Vale left Port Ellin on Friday.",), "entities"),
    "question-answering": (("Where is the key?", "On Friday Mira left the key under the third pot."), "answer"),
    "causal-lm": (("is the attic open on sunday?",), "completion"),
    "click-through": (("--field", "user=u03", "--field", "film=film27", "--field", "genres=war|drama"), "probability"),
    "seq2seq": (("two tea and one cake for table 4",), "target"),
    "object-detection": (("pictures/1.png",), "boxes"),
}
#: The task that goes through every command in short runs of the tests too.
IN_SHORT = "token-classification"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    drawn(tmp_path / "pictures", 1)

    def harness(*words: str) -> str:
        done = CliRunner().invoke(app, [*words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    return harness


@pytest.mark.parametrize("task", [task for task in TASKS if task != IN_SHORT])
def test_smoke_study_gives_a_model_that_predicts(task: str, run: Any) -> None:
    name = f"smoke_{task.replace('-', '_')}"
    texts, column = TASKS[task]
    run("sweep", str(STUDIES / f"{name}.yaml"))
    said = json.loads(run("predict", f"runs/{name}/best", *texts, "--json"))
    assert column in said[0]


@pytest.mark.parametrize(
    "task", [task if task == IN_SHORT else pytest.param(task, marks=pytest.mark.long) for task in TASKS]
)
def test_smoke_study_goes_through_every_command(task: str, run: Any, tmp_path: Path) -> None:
    name = f"smoke_{task.replace('-', '_')}"
    texts, column = TASKS[task]
    run("sweep", str(STUDIES / f"{name}.yaml"))
    results = load(tmp_path / "runs" / name)
    assert results.task.name == task
    assert results.final is not None
    assert results.final.winner is not None
    page = (tmp_path / "reports" / name / "index.html").read_text(encoding="utf-8")
    assert "There is no view of single rows" not in page
    assert results.final.told in page
    assert ("bootstrap over" in page) == bool(results.task.unit or results.spec.data.resample_by)
    run("report", f"runs/{name}")
    run("export", f"runs/{name}", "--trial", "0", "--to", "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "## How to use it" in card
    said = json.loads(run("predict", "model", *texts, "--json"))
    assert column in said[0]
    assert column in run("predict", "model", *texts)
    if task == "click-through":
        recommends(run, card, tmp_path)
    run("rerun", f"runs/{name}", "1")
    figures = tmp_path / "bench.json"
    length = "" if results.task.is_tabular or results.task.reads("image") else "--length 16"
    cell = f"--batch-size 8 {length} --precision fp32 --threads 1 --seconds 0.2 --repeats 2"
    run("bench", str(STUDIES / f"{name}.yaml"), *cell.split(), "--json", str(figures))
    assert json.loads(figures.read_text(encoding="utf-8"))


def recommends(run: Any, card: str, folder: Path) -> None:
    """Films that a user has not had are recommended, and the code of the card runs."""
    table = (STUDIES / "data" / "smoke_clicks.csv").read_text(encoding="utf-8")
    found = json.loads(run("predict", "model", "--user", "u03", "--top", "3", "--json"))
    assert len(found) == 3
    assert found[0]["probability"] >= found[1]["probability"] >= found[2]["probability"]
    manifest = json.loads((folder / "model" / "items.json").read_text(encoding="utf-8"))
    films, seen = manifest["cells"][manifest["columns"].index("film")], manifest["seen"]["u03"]
    assert not {row["film"] for row in found} & {films[at] for at in seen}
    (folder / "rows.csv").write_text(table, encoding="utf-8")
    code = card.partition("```python\n")[2].partition("```")[0].replace('"FOLDER"', '"model"')
    exec(code, {})  # noqa: S102 - our own


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.parametrize("task", TASKS)
def test_local_and_ray_have_the_same_losses(task: str, run: Any, tmp_path: Path) -> None:
    name = f"smoke_{task.replace('-', '_')}"
    histories: list[list[tuple[int, str]]] = []
    for engine in ("local", "ray"):
        slots = ("engine.slots_per_device=2", "engine.threads_per_slot=1")
        study = ("sweep", str(STUDIES / f"{name}.yaml"), "search.pruner.name=none", "confirm=null", *slots)
        run(*study, "--engine", engine, "--runs", engine)
        results = load(tmp_path / engine / name)
        rows = [row for trial in sorted(results.trials, key=lambda trial: trial.number) for row in trial.history]
        metrics = [metric.name for metric in results.task.metrics]
        histories.append([(row.step, repr([row.train_loss, *map(row.metrics.get, metrics)])) for row in rows])
    assert len(histories[0]) >= 4
    assert histories[0] == histories[1]


@pytest.mark.parametrize("pruner", ["rungs", pytest.param("median", marks=pytest.mark.long)])
def test_objective_of_written_text_is_known_at_the_end_alone(pruner: str, run: Any, tmp_path: Path) -> None:
    """Before it the loss ranks trials: one that is stopped has no such value, and one that ends is compared by it."""
    keys = ["search.objectives=[exact_match]", "search.trials=6", f"search.pruner.name={pruner}", "confirm=null"]
    run("sweep", str(STUDIES / "smoke_causal_lm.yaml"), *keys)
    results = load(tmp_path / "runs" / "smoke_causal_lm")
    states = {record.state.value: record for record in results.trials}
    assert "FAIL" not in states
    assert "exact_match" in states["COMPLETE"].metrics
    if pruner == "rungs":
        assert "exact_match" not in states["PRUNED"].metrics
        assert "by loss" in states["PRUNED"].message
    assert results.final is not None
    assert "exact_match" in results.final.models[0].test
    run("sweep", str(STUDIES / "smoke_causal_lm.yaml"), *keys)  # what is stored can be opened again

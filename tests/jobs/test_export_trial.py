"""`harness export`: the winner, another trial, and folders that must not be touched."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest

from harness.data.prepared import PreparedData
from harness.errors import HarnessError, InputError, RunError
from harness.jobs.export import _setting, write_card
from harness.jobs.export_trial import export_trial
from harness.jobs.predict import open_export, predict_texts, text_rows
from harness.jobs.standing import of_trial, of_winner
from harness.records.results import Results, load
from harness.stats.intervals import unknown
from tests.report.factory import make_results


@pytest.fixture
def results(smoke_run: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.setenv("HARNESS_CACHE", str(smoke_run.parents[1] / "cache"))
    return load(smoke_run)


def test_export_of_the_winner_is_the_runs_best(results: Results, tmp_path: Path) -> None:
    to = export_trial(results, None, tmp_path / "made" / "model")
    assert to == tmp_path / "made" / "model"
    for path in (results.folder / "best").iterdir():
        assert (to / path.name).read_bytes() == path.read_bytes()
    assert json.loads((to / "manifest.json").read_text("utf-8"))["test"] is not None
    assert [path.name for path in to.parent.iterdir()] == ["model"]
    assert len({path.stat().st_mode for path in to.iterdir()}) == 1, "others may read the weights as well as the card"
    (to.parent / ".model.old" / "left").mkdir(parents=True)  # by an export that was killed
    assert export_trial(results, None, to) == to
    assert [path.name for path in to.parent.iterdir()] == ["model"]


def test_export_of_a_copied_run_without_its_data_is_its_best_by_the_hashes(results: Results, tmp_path: Path) -> None:
    data = results.spec.data.model_copy(update={"path": str(tmp_path / "gone.csv")})
    copied = Path(shutil.copytree(results.folder, tmp_path / "copy"))
    without = replace(results, folder=copied, spec=results.spec.model_copy(update={"data": data}))
    said: list[str] = []
    to = export_trial(without, None, tmp_path / "model", said.append)
    assert (to / "model.safetensors").read_bytes() == (results.folder / "best" / "model.safetensors").read_bytes()
    assert [line.partition(": ")[0] for line in said] == ["copied by its hashes, not scored again"]
    weights = copied / "best" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(RunError, match=r"has changed since it was exported \(model\.safetensors\)"):
        export_trial(without, None, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_export_card_has_tables_that_markdown_shows(results: Results) -> None:
    card = (results.folder / "best" / "README.md").read_text("utf-8")
    tables = [block.splitlines() for block in card.split("\n\n") if block.startswith("|")]
    assert [lines[1] for lines in tables] == ["|---|---|---|", "|---|---|"]
    assert [lines[2].split("|")[1].strip() for lines in tables] == ["accuracy", "model.checkpoint"]
    assert 'pipeline("text-classification", model="FOLDER")' in card
    assert "Trained with adamw on" in card
    assert "| training.label_smoothing | 0 |" in card and "| training.class_weights | none |" in card


def test_export_card_says_what_was_trained_and_what_is_exported(results: Results) -> None:
    """The smoke study's space excludes the default learning rate and batch size."""
    assert results.final is not None and results.final.winning_model is not None
    folder, model = results.folder / "best", results.final.winning_model
    card, facts = (folder / "README.md").read_text("utf-8"), json.loads((folder / "manifest.json").read_text("utf-8"))
    runs = [run for run in (*results.trials, *results.confirm) if model.number in (run.config.of, run.number)]
    run = next(
        run for run in runs if run.seed == model.seed and run.metrics["accuracy"] == facts["validation"]["accuracy"]
    )
    assert (
        f"trained on {results.manifest.data.rows['train']} of {results.manifest.data.rows['train']} training rows"
        in card
    )
    assert (
        f"Seed {model.seed}. The weights are those after step {run.best_step} of {run.history[-1].total_steps}." in card
    )
    assert f"in {run.precision}" in card and f"| training.precision | {run.precision} |" in card
    default = "It is the default recipe, in this study with learning rate 3e-4 instead of 5e-5 and batch size 16"
    assert (default in card) == (model.number == 0)


def test_card_has_a_dash_for_what_the_rows_leave_undefined(results: Results, tmp_path: Path) -> None:
    assert results.final is not None
    record = next(record for record in results.trials if record.number == results.final.winner)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    write_card(
        tmp_path,
        spec=results.spec,
        data=PreparedData(Path(results.manifest.data.folder)),
        record=record.model_copy(update={"metrics": record.metrics | {"roc_auc": nan}}),
        test={"accuracy": unknown(0.5), "roc_auc": unknown()},
        seeds=(0,),
        standing=of_winner(4, (), None),
    )
    lines = (tmp_path / "README.md").read_text("utf-8").splitlines()
    assert next(line for line in lines if line.startswith("| accuracy")).endswith("| 0.5000 (interval not known) |")
    assert next(line for line in lines if line.startswith("| roc_auc")) == "| roc_auc | – | – |"


def test_export_of_the_default_recipe_says_what_the_space_made_of_it(results: Results, tmp_path: Path) -> None:
    keys = {"train_rows": 20, "delimiter": "comma"}
    spec = results.spec.model_copy(update={"data": results.spec.data.model_copy(update=keys)})
    config = results.trials[0].config
    data = config.data.model_copy(update={"train_rows": 20})
    record = results.trials[0].model_copy(update={"config": config.model_copy(update={"data": data}), "best_step": 3})
    prepared = PreparedData(Path(results.manifest.data.folder))
    (tmp_path / "config.json").write_text("{}")
    write_card(
        tmp_path, spec=spec, data=prepared, record=record, test=None, seeds=(0,), standing=of_winner(4, (), None)
    )
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert manifest["form"] == {"delimiter": "comma"}
    assert manifest["columns"] == {"text": "text", "label": "label"}
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "default recipe, in this study with learning rate 3e-4 instead of 5e-5 and batch size 16 instead" in card
    assert f"trained on 20 of {results.manifest.data.rows['train']} training rows" in card
    assert f"The weights are those after step 3 of {record.history[-1].total_steps}." in card


@pytest.mark.parametrize("task", ["text-classification", "text-regression"])
def test_card_of_a_model_of_pairs_says_how_a_pair_is_given(results: Results, tmp_path: Path, task: str) -> None:
    spec = results.spec.model_copy(update={"task": task})
    prepared = PreparedData(Path(results.manifest.data.folder))
    columns = {"text": "first_question", "text_pair": "answer", "label": "label"}
    prepared.__dict__["meta"] = prepared.meta.model_copy(update={"columns": columns})
    record = results.trials[0]
    standing = of_winner(4, (), None)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    write_card(tmp_path, spec=spec, data=prepared, record=record, test=None, seeds=(0,), standing=standing)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert ("\nPairs of texts into " if task == "text-classification" else "\nA number for each pair of texts") in card
    assert '({"text": "first text", "text_pair": "second text"})' in card
    assert (
        '`harness predict FOLDER "first text" "second text"`, or of a table with the columns first\\_question and '
        in card
    )
    facts = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    (tmp_path / "model.safetensors").touch()
    assert text_rows(open_export(tmp_path), ["a", "b"]) == [{"text": "a", "text_pair": "b"}], facts["columns"]


def test_settings_of_a_card_are_written_as_people_do(results: Results) -> None:
    card = (results.folder / "best" / "README.md").read_text("utf-8")
    settings = dict(
        line.strip("| ").split(" | ", 1) for line in card.splitlines() if line.startswith(("| training", "| data."))
    )
    manifest = json.loads((results.folder / "best" / "manifest.json").read_text("utf-8"))["settings"]
    assert settings["training.epochs"] == f"{manifest['training.epochs']:g}"
    assert float(settings["training.learning_rate"]) == pytest.approx(manifest["training.learning_rate"], rel=1e-5)
    assert manifest["data.preprocess"] == [] and "data.preprocess" not in settings
    assert not {"None", "[]", "", r"\[\]"} & set(settings.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"), (5e-05, "5e-5"), (0.000152345, "0.000152345"), (1e20, "1e20"), (None, ""), ([], ""), (0, "0"),
        (["lowercase", {"replace": None}], "lowercase"), ({"crop": 4, "flip": None}, "crop: 4"), (False, "false"),
    ],
)  # fmt: skip
def test_setting_of_a_card(value: object, text: str) -> None:
    assert _setting(value) == text


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("winner", "but the winner of an earlier decision"),
        ("runner-up", "but its runner-up"),
        ("default", "but its default recipe"),
        ("checkpoint-2", "but the best trial of its checkpoint"),
    ],
)
def test_card_of_another_tested_trial_says_what_it_is(results: Results, role: str, words: str) -> None:
    assert results.final is not None and results.final.winning_model is not None
    prepared = PreparedData(Path(results.manifest.data.folder))
    model = results.final.winning_model.model_copy(update={"role": role})
    standing = of_trial(results, prepared, model)
    assert words in standing.place
    assert "The choice of the study, made on validation, is another trial" in standing.chosen
    assert any(line.startswith("This model is ") for line in standing.warnings), "beside the baselines"
    assert standing.speed == model.speed
    kept = of_trial(results, prepared, model.model_copy(update={"predictions": ""}))
    assert kept.place == standing.place and len(kept.warnings) < len(standing.warnings)
    assert "was not scored on the test split" in of_trial(results, prepared, None).chosen


@pytest.mark.long
def test_export_of_a_trial_without_weights_trains_it_again(results: Results, tmp_path: Path) -> None:
    without = [record.model_copy(update={"weights": None}) for record in results.trials]
    assert results.final is not None
    scored = {model.number for model in results.final.models}
    number = next(record.number for record in results.trials if record.number not in scored)
    to = export_trial(replace(results, trials=tuple(without)), number, tmp_path / "model")
    facts = json.loads((to / "manifest.json").read_text("utf-8"))
    assert facts["trial"] == number
    assert facts["test"] is None
    assert facts["params"] == dict(results.trials[number].params)
    (found,) = predict_texts(open_export(to), [{"text": "a dog barks"}])
    assert found["label"] in facts["labels"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.long
def test_export_that_scores_differently_is_none(results: Results, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "smoke"
    shutil.copytree(results.folder, run)
    manifest = run / "best" / "manifest.json"
    facts = json.loads(manifest.read_text("utf-8"))
    facts["validation"]["accuracy"] = 0.123
    manifest.write_text(json.dumps(facts), encoding="utf-8")
    assert results.final is not None
    final = results.final.model_copy(update={"export": str(run / "best")})
    with pytest.raises(HarnessError, match="nothing was exported"):
        export_trial(replace(load(run), final=final), None, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_export_leaves_other_files_alone(results: Results, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="holds other files"):
        export_trial(results, None, tmp_path)
    assert (tmp_path / "thesis.tex").is_file()


def test_export_leaves_files_beside_an_export_alone(results: Results, tmp_path: Path) -> None:
    to = export_trial(results, None, tmp_path / "model")
    (to / "notes.txt").write_text("what I found out", encoding="utf-8")
    with pytest.raises(InputError, match=r"holds other files \(notes\.txt\)"):
        export_trial(results, None, to)
    assert (to / "notes.txt").is_file()


def test_export_replaces_another_model_only_by_force(results: Results, tmp_path: Path) -> None:
    gone = results.spec.data.model_copy(update={"path": str(tmp_path / "gone.csv")})  # spares the scoring
    results = replace(results, spec=results.spec.model_copy(update={"data": gone}))
    assert results.final is not None
    winner, said = results.final.winner, list[str]()

    def exported(*, force: bool = False) -> list[str]:
        said.clear()
        export_trial(results, None, to, said.append, force=force)
        return [line for line in said if "not scored again" not in line]

    to = tmp_path / "model"
    assert exported() == exported() == [], "the same model once more"
    manifest = json.loads((to / "manifest.json").read_text("utf-8"))
    for changed, held in (({"trial": 97}, "trial 97 of smoke"), ({"study": "other"}, f"trial {winner} of other")):
        other = manifest | changed | {"files": manifest["files"] | {"model.safetensors": "0" * 64}}
        (to / "manifest.json").write_text(json.dumps(other), encoding="utf-8")
        with pytest.raises(InputError, match=f"holds the model of {held}, and this is trial {winner} of smoke"):
            exported()
        assert json.loads((to / "manifest.json").read_text("utf-8")) == other
        assert exported(force=True) == [f"{to}: replaced the model of {held} that was there"]
        assert json.loads((to / "manifest.json").read_text("utf-8")) == manifest


@pytest.mark.parametrize("kind", ["file", "link"])
def test_export_goes_into_folders_only(results: Results, tmp_path: Path, kind: str) -> None:
    to = tmp_path / "model"
    if kind == "file":
        to.touch()
    else:
        to.symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(InputError, match="is not a folder"):
        export_trial(results, None, to)


def test_export_before_the_end_needs_a_trial(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no winner yet"):
        export_trial(make_results(tmp_path, trials=4, final=False), None, tmp_path / "model")


def test_export_of_a_failed_trial_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="trial 0 failed"):
        export_trial(make_results(tmp_path, trials=2, only_failed=True), 0, tmp_path / "model")

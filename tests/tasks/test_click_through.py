"""Click-through: what is encoded beside the inputs, ranks in a split and in an export, baselines, and warnings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.spec.configure import default_params, resolve
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from harness.tasks.click_through import TASK
from harness.tasks.encode import baselines, encoded
from harness.tasks.models import load_saved, quiet
from harness.training.evaluate import answered

CPU = torch.device("cpu")
COLUMNS = {"user": "who", "item": "film", "categories": ["genre", "city"], "numbers": ["year"]}


def prepared(folder: Path, columns: dict[str, Any] = COLUMNS, **options: Any) -> tuple[TrialConfig, PreparedData]:
    rng = np.random.default_rng(0)
    rows = [
        {"who": f"u{user}", "film": f"f{film}", "genre": "war" if film % 3 else "joy|war", "city": f"c{user % 2}",
         "year": 1990 + int(film), "label": int(rng.random() < (0.2 + 0.6 * (film % 2)))}
        for user, film in rng.integers([[12, 20]] * 240)
    ]  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    study = {
        "name": "clicks",
        "task": "click-through",
        "task_options": options,
        "data": {"path": str(folder / "rows.jsonl"), "columns": columns},
        "model": {"checkpoint": "scratch", "architecture": {"model_type": "fields", "hidden_size": 4}},
        "training": {"precision": "fp32"},
    }
    spec = StudySpec.model_validate(study)
    return resolve(spec, number=0, params=default_params(spec)), prepare(spec, folder / "cache")


def test_ranks_of_a_split_and_of_its_rows_by_the_export_are_the_same(tmp_path: Path) -> None:
    config, data = prepared(tmp_path / "a")
    torch.manual_seed(0)
    with quiet():
        model = TASK.build_model(config, data).eval()
    examples, folder = encoded(data, config, "test"), TASK.processor_folder(config, data)
    rows = np.arange(len(examples))
    said = answered(model, TASK, examples, rows, CPU, folder, config)
    clicked = np.asarray(examples.targets["labels"]) == 1
    assert (np.asarray(said["ranks"]) > 0).any()
    assert not np.asarray(said["ranks"])[~clicked].any()
    with quiet():
        model.save_pretrained(tmp_path / "best")
        TASK.write_processor(config, data, tmp_path / "best")
        loaded = load_saved(tmp_path / "best", TASK.auto)
    given = data.frame("test").to_dict("records")
    of_export = TASK.predict_inputs([{str(key): value for key, value in row.items()} for row in given],
                                    tmp_path / "best", 16)  # fmt: skip
    found = answered(loaded, TASK, of_export, rows, CPU, tmp_path / "best", config)
    assert np.array_equal(said["ranks"], found["ranks"])
    assert "ranks" not in answered(model, TASK, examples, rows[:5], CPU, folder, config)  # a part of a split


def test_rows_without_labels_have_no_ranks(tmp_path: Path) -> None:
    config, data = prepared(tmp_path / "a")
    with quiet():
        model = TASK.build_model(config, data).eval()
        model.save_pretrained(tmp_path / "best")
    TASK.write_processor(config, data, tmp_path / "best")
    row = {"user": "u1", "item": "f2", "categories": ["joy", "c1"], "numbers": [None]}
    examples = TASK.predict_inputs([row], tmp_path / "best", 16)
    said = answered(model, TASK, examples, np.arange(1), CPU, tmp_path / "best")
    assert said.keys() == {"probabilities", "users"}


def test_columns_that_belong_to_users_are_in_the_configuration(tmp_path: Path) -> None:
    config, data = prepared(tmp_path / "a")
    with quiet():
        settings = TASK.build_model(config, data).config
    assert settings.user_slots == [True, False, False, True, False]  # who, film, genre, city, year
    counts = data.meta.counts["train"]
    assert settings.log_odds == pytest.approx(np.log((counts["1"] + 1) / (counts["0"] + 1)))


def test_unknown_categories_are_told(tmp_path: Path) -> None:
    config, data = prepared(tmp_path / "a")
    frame = data.frame("validation")
    frame.loc[:1, "item"] = "new"
    stats = TASK.encode(frame, "validation", config, data).stats
    assert stats["notes"] == [
        f"validation: categories that train lacks, which count as unknown: 'film' in 2 of {len(frame)} rows"
    ]


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (COLUMNS, ["constant", "popularity", "user + item log-odds", "logistic regression on one-hot columns"]),
        ({"numbers": "year"}, ["constant", "logistic regression on one-hot columns"]),
    ],
)
def test_baselines_follow_from_the_columns(tmp_path: Path, columns: dict[str, Any], names: list[str]) -> None:
    _, data = prepared(tmp_path / "a", columns)
    fitted, targets = baselines(data, "click-through", None, ["test"])
    assert list(fitted) == names
    scores = {name: TASK.metrics(outputs["test"], targets["test"]) for name, outputs in fitted.items()}
    assert scores["constant"]["roc_auc"] == 0.5
    assert ("ndcg_10" in scores.get("popularity", {})) == ("popularity" in names)
    assert scores[names[-1]]["log_loss"] < 0.75


def test_texts_are_made_by_the_template(tmp_path: Path) -> None:
    config, data = prepared(tmp_path / "a", template="{who} saw {film} of {year}")
    row = data.frame("test").iloc[0]
    made = TASK.as_texts(data.frame("test"), config, data)["text"].iloc[0]
    assert made == f"{row['user']} saw {row['item']} of {row['numbers'][0]:g}"
    config, _ = prepared(tmp_path / "b")
    made = TASK.as_texts(data.frame("test"), config, data)["text"].iloc[0]
    assert made.startswith(f"who {row['user']}, film {row['item']}, genre ")


def test_intervals_that_draw_rows_are_warned_of(tmp_path: Path) -> None:
    config, data = prepared(tmp_path / "a")
    (warning,) = TASK.data_warnings(config, data)
    assert warning.endswith("data.resample_by=who")
    config, data = prepared(tmp_path / "b", {"item": "film"})
    assert TASK.data_warnings(config, data) == []


def test_model_that_says_the_same_of_all_rows_is_warned_of() -> None:
    same = {"probabilities": np.tile([0.7, 0.3], (4, 1))}
    assert TASK.answer_warnings(same, {}, ()) == ["The model gives every test row the probability 0.300."]
    assert TASK.answer_warnings({"probabilities": np.eye(2)}, {}, ()) == []

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.data.prepared import PreparedData
from harness.tasks import encode as module
from harness.tasks.encode import baselines, encoded, facts, training_rows, validation_rows, warnings_of_others
from tests.tasks.tiny import architecture, config, texts

BERT = architecture("bert")


def test_encoded_is_made_once_and_mapped(
    make_data: Callable[..., PreparedData], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, trial = make_data(texts()), config(architecture=BERT)
    first = encoded(mine, trial, "train")
    assert isinstance(first.targets["labels"], np.memmap)
    monkeypatch.setattr(module, "task_of", lambda name: KeyOnly(TASKS[name]))
    again = encoded(mine, trial, "train")
    assert np.array_equal(first.fields["input_ids"].values, again.fields["input_ids"].values)
    # Augmentation does not touch validation.
    encoded_before = set((mine.folder / "encoded").iterdir())
    monkeypatch.undo()
    encoded(mine, trial, "validation")
    encoded(mine, config(architecture=BERT, data={"augment": ["swap"]}), "validation")
    assert len({path for path in (mine.folder / "encoded").iterdir() if path.is_dir()} - encoded_before) == 1


class KeyOnly:
    def __init__(self, task: object) -> None:
        self.encode_key = task.encode_key  # type: ignore[attr-defined]

    def encode(self, *_: object) -> None:
        pytest.fail("encoded again")


TASKS = {"text-classification": module.task_of("text-classification")}

ASK = """
import sys, time
from pathlib import Path
import numpy as np
from harness.data.encoded import Encoded
from harness.data.prepared import PreparedData
from harness.spec.tasks import facts_of
from harness.spec.trial import TrialConfig
from harness.tasks import encode
made = []
class Slow:
    facts = facts_of("text-classification")
    def encode_key(self, config): return {}
    def encode(self, frame, split, config, data):
        made.append(1)
        time.sleep(0.5)
        return Encoded(fields={}, targets={"labels": np.zeros(3)}, lengths=np.ones(3))
encode.task_of = lambda name: Slow()
found = encode.encoded(PreparedData(Path(sys.argv[1])), TrialConfig.model_validate_json(sys.argv[2]), "train")
print(len(made), len(found))
"""


def test_encoded_once_by_several_processes(make_data: Callable[..., PreparedData]) -> None:
    mine, trial = make_data(texts()), config(architecture=BERT)
    command = [sys.executable, "-c", ASK, str(mine.folder), trial.model_dump_json()]
    root = Path(__file__).parents[2]
    asked = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) for _ in range(2)]
    assert sorted(process.communicate()[0].strip() for process in asked) == ["0 3", "1 3"]


def test_training_rows_take_copies_along(data: PreparedData) -> None:
    trial = config(architecture=BERT, data={"augment": ["delete", "swap"], "train_rows": 10})
    examples = encoded(data, trial, "train")
    rows = training_rows(data, trial)
    originals = data.meta.rows["train"]
    assert len(rows) == 30
    assert (rows[:10] < originals).all()
    assert rows.tolist() == [*rows[:10], *(rows[:10] + originals), *(rows[:10] + 2 * originals)]
    assert np.bincount(examples.targets["labels"][rows[:10]]).tolist() == [5, 5]
    whole = config(architecture=BERT, data={"train_rows": 10_000})
    encoded(data, whole, "train")
    everything = training_rows(data, whole)
    assert everything.tolist() == list(range(originals))


def test_baseline_has_the_rows_of_a_trial(data: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    task, seen = module.task_of("text-classification"), []
    fit = type(task).baselines
    monkeypatch.setattr(
        type(task), "baselines", lambda self, train, *rest: (seen.append(list(train.index)), fit(self, train, *rest))[1]
    )
    fitted, targets = baselines(data, "text-classification", 10, ["validation", "test"])
    majority, words = fitted
    assert majority == "majority class"
    assert words.startswith("TF-IDF")
    for outputs in fitted.values():
        assert {split: found["probabilities"].shape for split, found in outputs.items()} == {
            split: (len(targets[split]["labels"]), 2) for split in ("validation", "test")
        }
    encoded(data, config(architecture=BERT), "train")
    trained = training_rows(data, config(architecture=BERT, data={"train_rows": 10}))
    assert seen == [trained.tolist()]
    baselines(data, "text-classification", None, ["test"])
    assert len(seen[1]) == data.meta.rows["train"]


def test_baseline_that_fails_is_left_out_and_said(data: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no\nfit")

    said: list[str] = []
    monkeypatch.setattr("harness.tasks.text_classification.text_baseline", fail)
    fitted, _ = baselines(data, "text-classification", None, ["test"], said.append)
    assert list(fitted) == ["majority class"]
    assert said == ["a baseline failed, and is left out (ValueError: no fit)"]


def test_facts_warn_of_an_objective_that_test_cannot_have(data: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = config(architecture=BERT).model_copy(update={"objectives": ("accuracy", "roc_auc")})
    monkeypatch.setattr(PreparedData, "has_variety", lambda self, split: split != "test")
    warned = [line for line in facts(data, trial) if line.startswith("warning")]
    assert warned == ["warning: all test rows have the same target, so ROC AUC is undefined there"]


def test_validation_subset_is_fixed_and_nested(data: PreparedData) -> None:
    trial = config(architecture=BERT)
    encoded(data, trial, "validation")
    small, large = (validation_rows(data, trial, count) for count in (3, 5))
    assert len(small) == 3
    assert set(small) < set(large)
    assert validation_rows(data, trial, None).tolist() == list(range(data.meta.rows["validation"]))


def test_facts_say_what_matters(data: PreparedData, make_data: Callable[..., PreparedData]) -> None:
    said = "\n".join(facts(data, config(architecture=BERT, data={"max_length": 100})))
    assert "train: 58 rows" in said
    assert "0.0% are cut at 40 (max_length 100 is more than the model allows)" in said
    assert "in batches by length" in said
    assert "warning" not in said


def test_facts_warn_of_unknown_tokens(make_data: Callable[..., PreparedData], saved: Callable[[str], Path]) -> None:
    foreign = make_data(
        [(f"{letter}很好吃 tea", str(number % 2)) for number, letter in enumerate("甲乙丙丁戊己庚辛壬癸子丑")]
    )
    lines = facts(foreign, config(checkpoint=str(saved("bert"))))
    assert any(line.startswith("warning: 80% of the tokens are unknown to") for line in lines)


def test_facts_warn_of_a_class_with_most_rows(make_data: Callable[..., PreparedData]) -> None:
    skewed = make_data([(text, "good" if number % 10 else "bad") for number, (text, _) in enumerate(texts())])
    [line] = [line for line in facts(skewed, config(architecture=BERT)) if line.startswith("warning: ")]
    assert "of the training rows are 'good'" in line


def test_facts_of_images(digits: PreparedData) -> None:
    from tests.tasks.tiny import VIT

    said = facts(digits, config("image-classification", architecture=VIT))
    assert said[0].startswith("train: 1437 rows (")
    assert not any("tokens" in line for line in said)


def test_every_other_checkpoint_is_checked(
    make_data: Callable[..., PreparedData], saved: Callable[[str], Path], tmp_path: Path
) -> None:
    data = make_data([(f"{letter}很好吃 tea", str(number % 2)) for number, letter in enumerate("甲乙丙丁戊己庚辛壬癸")])
    configs = [config(checkpoint=name) for name in (str(saved("bert")), str(tmp_path / "missing"))]
    unknown, missing = warnings_of_others(data, configs, ())
    assert f"of the tokens are unknown to '{configs[0].model.checkpoint}'" in unknown
    assert missing.startswith("warning: ")
    assert "missing" in missing
    assert warnings_of_others(data, configs, [unknown]) == [missing]

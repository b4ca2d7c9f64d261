"""A number for a text: its head, its loss, its baselines, and what is saved of it."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from harness.data.prepared import PreparedData
from harness.errors import DataError
from harness.tasks import task_of
from harness.tasks.encode import baselines, encoded, facts
from harness.tasks.heads import ScaledLinear, fold
from harness.tasks.models import load_saved, quiet
from tests.tasks.tiny import architecture, config

TASK = task_of("text-regression")
WORDS = {"awful": -2, "poor": -1, "fair": 0, "good": 1, "superb": 2}
FAMILIES = ("bert", "roberta", "distilbert", "gpt2", "t5")


def rows(mean: float = 1000.0, scale: float = 100.0, count: int = 120) -> list[tuple[str, ...]]:
    names = list(WORDS)
    chosen = [(names[at % 5], names[at // 5 % 5]) for at in range(count)]
    return [
        (f"the {a} soup, a {b} drink, visit {at}", str(mean + scale * (WORDS[a] + WORDS[b])))
        for at, (a, b) in enumerate(chosen)
    ]


@pytest.fixture(scope="module")
def priced(make_data: Callable[..., PreparedData]) -> PreparedData:
    return make_data(rows(), "text-regression")


def outputs_of(model: torch.nn.Module, data: PreparedData, family: str) -> np.ndarray:
    model.eval()
    trial = config(TASK.facts.name, architecture=architecture(family))
    inputs = TASK.collate(encoded(data, trial, "validation"), np.arange(6))
    with torch.no_grad():
        predictions = TASK.outputs(model(**inputs), inputs)["predictions"]
    assert isinstance(predictions, torch.Tensor)
    return predictions.numpy()


def test_facts_say_how_the_numbers_are_spread(priced: PreparedData) -> None:
    [line] = [
        line for line in facts(priced, config(TASK.facts.name, architecture=architecture("bert"))) if "train" in line
    ]
    assert line.startswith("train: 96 rows (number: mean ")
    assert priced.names == ()


def test_splits_have_like_numbers(priced: PreparedData) -> None:
    means = [priced.frame(split)["number"].mean() for split in ("train", "validation", "test")]
    assert max(means) - min(means) < 60


@pytest.mark.parametrize("family", FAMILIES)
def test_new_head_begins_at_mean_and_scale(family: str, priced: PreparedData) -> None:
    torch.manual_seed(0)
    model = TASK.build_model(config(TASK.facts.name, architecture=architecture(family)), priced)
    predictions = outputs_of(model, priced, family)
    spread = priced.meta.numbers["train"]["number"]
    assert abs(predictions.mean() - spread.mean) < 3 * spread.std
    assert 0 < predictions.std() < 3 * spread.std
    assert predictions.dtype == np.float32


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_model_says_the_same_to_us_and_to_plain_transformers(
    family: str, priced: PreparedData, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = TASK.build_model(config(TASK.facts.name, architecture=architecture(family)), priced)
    expected = outputs_of(model, priced, family)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    fold(model, state)
    with quiet():
        model.save_pretrained(tmp_path, state_dict=state)
        ours, plain = load_saved(tmp_path, TASK.auto), AutoModelForSequenceClassification.from_pretrained(tmp_path)
    spread = priced.meta.numbers["train"]["number"]
    missing = spread.mean if family == "gpt2" else 0.0  # its head has no bias
    np.testing.assert_allclose(outputs_of(ours, priced, family), expected, rtol=1e-5)
    np.testing.assert_allclose(outputs_of(plain, priced, family) + missing, expected, rtol=1e-5)


def test_head_is_exact_in_half_precision(make_data: Callable[..., PreparedData]) -> None:
    data = make_data(rows(mean=1e4, scale=1.0), "text-regression")
    model = TASK.build_model(config(TASK.facts.name, architecture=architecture("bert")), data)
    exact = outputs_of(model, data, "bert")
    rounded = outputs_of(model.to(torch.bfloat16), data, "bert")
    assert np.abs(exact - rounded).max() < 0.1
    assert len({type(part) for part in model.modules() if isinstance(part, ScaledLinear)}) == 1


def first_loss(data: PreparedData) -> float:
    trial = config(TASK.facts.name, architecture=architecture("bert"))
    torch.manual_seed(0)
    model = TASK.build_model(trial, data).eval()
    examples, chosen = encoded(data, trial, "train"), np.arange(8)
    loss = TASK.make_loss(trial, data, examples, chosen, torch.device("cpu"))
    inputs, targets = TASK.collate(examples, chosen), TASK.targets(examples, chosen)
    return float(loss(model(**inputs), targets).detach()) / loss.weight(chosen)


@pytest.mark.parametrize(("mean", "scale"), [(5e4, 1e4), (0.5, 1e-3)])
def test_loss_is_the_same_whatever_the_unit(mean: float, scale: float, make_data: Callable[..., PreparedData]) -> None:
    plain, other = (make_data(rows(*unit), "text-regression") for unit in ((0.0, 1.0), (mean, scale)))
    assert first_loss(other) == pytest.approx(first_loss(plain), rel=1e-3)


def test_chance_is_what_the_mean_has(priced: PreparedData) -> None:
    chance = TASK.chance(priced)
    fitted, targets = baselines(priced, TASK.facts.name, None, ["validation"])
    metrics = TASK.metrics(fitted["mean"]["validation"], targets["validation"])
    for name in ("rmse", "mae", "r2"):
        assert chance[name] == pytest.approx(metrics[name]), name
    assert np.isnan(metrics["pearson"])
    assert chance["pearson"] == chance["spearman"] == 0.0


def test_baselines_learn_and_name_themselves(priced: PreparedData) -> None:
    fitted, targets = baselines(priced, TASK.facts.name, None, ["validation", "test"])
    assert list(fitted) == ["mean", "TF-IDF (word 1-2-grams) + ridge regression"]
    rmse = [TASK.metrics(outputs["test"], targets["test"])["rmse"] for outputs in fitted.values()]
    assert rmse[1] < rmse[0] / 2


def test_baseline_of_pairs_sees_what_both_share(make_data: Callable[..., PreparedData]) -> None:
    random = np.random.default_rng(0)
    words = [f"word{number}" for number in range(400)]
    pairs = []
    for _ in range(200):
        shared, first, second = (random.choice(words, size).tolist() for size in (5, 5, 5))
        kept = int(random.integers(6))
        pairs.append((" ".join(first + shared), " ".join(second + shared[:kept]), str(float(kept))))
    data = make_data(pairs, "text-regression")
    fitted, targets = baselines(data, TASK.facts.name, None, ["test"])
    rmse = [TASK.metrics(outputs["test"], targets["test"])["rmse"] for outputs in fitted.values()]
    assert rmse[1] < 0.6 * rmse[0]
    assert rmse[0] == pytest.approx(sqrt(np.var(np.asarray(targets["test"]["numbers"]))), rel=0.2)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("12 kg", r"row 4: 'label' is '12 kg', which is not a number"),
        ("?", r"row 4: 'label' is '[?]', which is not a number"),
        ("inf", "which is not a number"),
        ("1e30", "more than 1e[+]18"),
        ("1,5", "row 4: 'label' is '1,5', which is not a number; write a point for a decimal comma"),
    ],
)
def test_what_is_no_number_is_told(number: str, message: str, make_data: Callable[..., PreparedData]) -> None:
    wrong = rows()
    wrong[3] = (wrong[3][0], number)
    with pytest.raises(DataError, match=message):
        make_data(wrong, "text-regression")


def test_equal_numbers_are_refused(make_data: Callable[..., PreparedData]) -> None:
    with pytest.raises(DataError, match="every row has 5 in 'label'"):
        make_data([(text, "5.0") for text, _ in rows()], "text-regression")


def test_rows_without_a_number_are_left_out_and_said(make_data: Callable[..., PreparedData]) -> None:
    given = rows()
    given[2] = (given[2][0], " ")
    data = make_data(given, "text-regression")
    assert sum(data.meta.rows.values()) == len(given) - 1
    assert any("1 of 120 rows have an empty 'label'" in note for note in data.meta.notes)

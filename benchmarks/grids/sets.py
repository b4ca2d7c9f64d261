"""The grids: the study of each, its data, and the cells that are trained of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from harness.spec.configure import resolve, search_space
from harness.spec.rungs import FIRST_STEPS
from harness.spec.steps import num_examples, total_steps, warmup_steps
from harness.spec.study import StudySpec
from harness.spec.trial import ParamValue, TrialConfig

__all__ = ["GRIDS", "Grid", "config_of", "located", "planned"]

ROOT = Path(__file__).resolve().parents[2]
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
E5 = "multilingual_e5_small_zh_en"
#: The default recipe, 5e-5 and 32, is one of the cells.
LEARNING_RATES = (1e-5, 2.2e-5, 5e-5, 1e-4, 2.2e-4, 5e-4)
#: Of a model of two layers, the best learning rate is higher.
HIGHER_RATES = (1e-3, 2e-3)
BATCH_SIZES = (8, 16, 32, 64)
#: The shares of a training after which a cell is evaluated.
SHARES = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0)
#: At most so many validation rows are scored, the same at every evaluation.
MOST_VALIDATION_ROWS = 400
DIGITS_MODEL = {
    "checkpoint": "scratch",
    "architecture": {
        "model_type": "vit",
        "image_size": 8,
        "patch_size": 2,
        "num_channels": 1,
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 128,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A study whose every combination of choices is trained.

    `data.path` of the study is the name of a folder with the data, or a file of this repository where `is_bundled`.
    With `classes` only the rows of these classes are used, numbered from the commonest of the training table.
    """

    spec: StudySpec
    source: str
    licence: str
    is_bundled: bool = False
    classes: slice | None = None


def _study(name: str, data: Mapping[str, Any], model: Mapping[str, Any], **sections: Any) -> StudySpec:
    training = {"learning_rate": LEARNING_RATES, "batch_size": BATCH_SIZES, "epochs": 2, "precision": "bf16"}
    training |= sections.pop("training", {})
    study = {"name": name, "data": data, "model": model, "training": training, **sections}
    return StudySpec.model_validate(study)


def _banking(name: str, classes: slice) -> Grid:
    data = {"path": "banking77", "train_rows": 800, "split": {"train": 0.7, "validation": 0.2, "test": 0.1}}
    return Grid(
        spec=_study(
            name,
            data,
            {"checkpoint": MINILM, "layers": 2},
            training={"learning_rate": (*LEARNING_RATES, *HIGHER_RATES)},
        ),
        source="Banking77 (Casanueva et al. 2020), 12 of its 77 intents",
        licence="CC BY 4.0",
        classes=classes,
    )


def _trec(num_rows: int, layers: int | None = None) -> Grid:
    model = {"checkpoint": MINILM, "layers": layers}
    return Grid(
        spec=_study(f"trec6_{num_rows}", {"path": "trec6", "train_rows": num_rows}, model),
        source="TREC questions, 6 coarse types (Li and Roth 2002)",
        licence="none stated, published for research",
    )


#: In the order in which they are made.
GRIDS: Sequence[Grid] = (
    _banking("banking77_a", slice(0, 12)),
    _trec(500),
    Grid(
        spec=_study(
            "digits",
            {"builtin": "digits", "split": {"train": 0.7, "validation": 0.15, "test": 0.15}},
            DIGITS_MODEL,
            task="image-classification",
            training={
                "learning_rate": (1e-4, 2.5e-4, 6.3e-4, 1.6e-3, 4e-3, 1e-2),
                "warmup_fraction": 0.1,
                "epochs": 15,
            },
        ),
        source="scikit-learn's load_digits (Alpaydin and Kaynak 1998)",
        licence="CC BY 4.0",
    ),
    _banking("banking77_b", slice(12, 24)),
    Grid(
        spec=_study(
            "reviews",
            {
                "path": "studies/data/reviews_en.csv",
                "train_rows": 1500,
                "split": {"train": 0.7, "validation": 0.15, "test": 0.15},
            },
            {"checkpoint": MINILM, "layers": 3},
        ),
        source="the quickstart's English reviews",
        licence="Apache-2.0, of this project",
        is_bundled=True,
    ),
    Grid(
        spec=_study("sst2", {"path": "sst2_sentences", "train_rows": 1500}, {"checkpoint": MINILM, "layers": 3}),
        source="SST-2, sentences (Socher et al. 2013)",
        licence="none stated, published for research",
    ),
    _trec(2000, layers=3),
    Grid(
        spec=_study(
            "hotel_zh",
            {"path": "zh_chnsenticorp_hotel", "train_rows": 1500, "max_length": 64},
            {"checkpoint": E5, "layers": 2},
        ),
        source="ChnSentiCorp, Chinese hotel reviews (Tan Songbo)",
        licence="none stated, published for research",
    ),
)


def located(grid: Grid, data: Path, checkpoints: Path, scratch: Path) -> StudySpec:
    """Returns the study with the paths of this machine; rows that are chosen by class are written under `scratch`."""
    spec = grid.spec
    path, checkpoint = spec.data.path, spec.model.checkpoints[0]
    if path is not None:
        folder = (ROOT if grid.is_bundled else data) / path
        if grid.classes is not None:
            folder = _with_classes(folder, grid.classes, scratch / spec.name)
        spec = spec.model_copy(update={"data": spec.data.model_copy(update={"path": str(folder)})})
    if checkpoint == E5:
        model = spec.model.model_copy(update={"checkpoint": str(checkpoints / E5)})
        spec = spec.model_copy(update={"model": model})
    return spec


def _with_classes(folder: Path, classes: slice, chosen: Path) -> Path:
    """Writes the rows of some classes of train.csv and test.csv into the folder `chosen`, and returns it."""
    tables = {name: pd.read_csv(folder / name, dtype=str, keep_default_na=False) for name in ("train.csv", "test.csv")}
    counts = tables["train.csv"]["label"].value_counts()
    commonest = sorted(counts.index, key=lambda label: (-counts[label], label))
    chosen.mkdir(exist_ok=True)
    for name, table in tables.items():
        table[table["label"].isin(commonest[classes])].to_csv(chosen / name, index=False)
    return chosen


def planned(spec: StudySpec, seeds: Sequence[int] = ()) -> list[tuple[dict[str, ParamValue], int]]:
    """Returns the cells to train: params and seed. Without `seeds`, all with seed 0 and every third with seed 1."""
    space = search_space(spec)
    grid = [
        dict(zip((param.name for param in space), values, strict=True))
        for values in product(*(param.domain.choices for param in space))
    ]
    if seeds:
        return [(params, seed) for seed in seeds for params in grid]
    return [*((params, 0) for params in grid), *((params, 1) for params in grid[1::3])]


def config_of(spec: StudySpec, params: Mapping[str, ParamValue], seed: int, num_rows: Mapping[str, int]) -> TrialConfig:
    """Returns the trial of a cell, which is evaluated at `SHARES` and at the first step at which it may be pruned.

    `num_rows` are the rows of each prepared split.
    """
    config = resolve(spec, number=0, params=params, seed=seed)
    recipe = config.training
    num_train = num_examples(num_rows["train"], config.data.train_rows, len(config.data.augment))
    num_steps = total_steps(num_train, recipe.batch_size, recipe.epochs)
    first_step = max(FIRST_STEPS, warmup_steps(num_steps, recipe.warmup_fraction))
    points = tuple(sorted({*SHARES, min(1.0, first_step / num_steps)}))
    scored = min(num_rows["validation"], MOST_VALIDATION_ROWS)
    return config.model_copy(update={"evaluate_at": points, "validation_rows": (scored,) * len(points)})

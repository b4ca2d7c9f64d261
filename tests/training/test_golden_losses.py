"""The tiny trainings of benchmarks/losses.py against what they gave when `golden_losses.json` was written.

A change that moves them must say why, and write the file again: `python benchmarks/losses.py --json FILE`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from losses import CASES, Material, losses_of

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("golden_losses.json").read_text(encoding="utf-8"))
#: What another processor's rounding may make of a loss, as a share of it.
TOLERANCES = {"fp32": 1e-4, "bf16": 1e-2}
#: One case of each kind: precisions, texts and images, classes and numbers, each way to freeze, accumulation,
#: optimisers, other keys.
QUICK = (
    *("bert-fp32", "bert-bf16", "bert-freeze-2", "bert-freeze-2-no-dropout", "bert-accumulation-4"),
    *("bert-smoothing-balanced", "bert-other-recipe", "bert-adafactor", "bert-sgd", "scratch-gpt2-fp32", "vit-fp32"),
    *("bert-layer-decay", "bert-regression"),
)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material(tmp_path_factory.mktemp("losses"))


def test_golden_losses_are_of_all_cases() -> None:
    assert list(GOLDEN) == list(CASES)
    assert set(QUICK) <= set(CASES)


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.long) for case in CASES]
)
def test_golden_losses(case: str, material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(material.folder / "cache"))
    found = [(loss.step, loss.name, loss.value) for loss in losses_of(case, material)]
    golden = [(step, name, value) for step, name, _, value in GOLDEN[case]]
    assert [loss[:2] for loss in found] == [loss[:2] for loss in golden]
    tolerance = TOLERANCES[CASES[case]["training"]["precision"]]
    assert [value for *_, value in found] == pytest.approx([value for *_, value in golden], rel=tolerance)

from __future__ import annotations

from typing import Any

import pytest

from harness.engines.needs import Needs
from harness.spec.trial import TrialConfig
from harness.testing.fakes import config


def sized(
    batch_size: int = 8, *, steps: int = 1, length: int = 128, precision: str = "bf16", **model: Any
) -> TrialConfig:
    plain = config(0)
    return plain.model_copy(
        update={
            "data": plain.data.model_copy(update={"max_length": length}),
            "model": plain.model.model_copy(update=model),
            "training": plain.training.model_copy(
                update={"batch_size": batch_size, "accumulation_steps": steps, "precision": precision}
            ),
        }
    )


def test_needs_unknown() -> None:
    needs = Needs()
    assert needs.of(sized()) is None
    needs.learn(sized(checkpoint="another"), 100)
    needs.learn(sized(layers=3), 100)
    assert needs.of(sized()) is None and not needs.knows(sized())


def test_needs_largest_of_those_alike() -> None:
    needs = Needs()
    for num_bytes in (100, 300, 200):
        needs.learn(sized(16, steps=2), num_bytes)
    other_rate = sized(8).model_copy(update={"params": {"learning_rate": 1.0}, "number": 9})
    assert needs.of(other_rate) == 300 and needs.knows(other_rate)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (sized(16), 200),
        (sized(24, length=256), 600),
        (sized(1, length=32), 100),
        (sized(12), 150),
        (sized(64, steps=8, freeze="embeddings"), 100),
        (sized(16, precision="fp32"), 200),
        (sized(9, steps=2, frozen_dropout=False), 100),
    ],
)
def test_needs_nearest_scaled_up_never_down(asked: TrialConfig, expected: int) -> None:
    needs = Needs()
    needs.learn(sized(8, length=128), 100)
    assert needs.of(asked) == expected


def test_needs_nearest_is_alike_before_it_is_of_like_size() -> None:
    needs = Needs()
    needs.learn(sized(8), 100)
    needs.learn(sized(128), 1000)
    needs.learn(sized(32, freeze="backbone"), 7)
    assert needs.of(sized(16)) == 200
    assert needs.of(sized(30)) == 375
    assert needs.of(sized(100)) == 1000

"""The trials that loggers are told of."""

from __future__ import annotations

from harness.spec.configure import resolve
from harness.spec.trial import TrialConfig
from tests.search.simulate import make_spec

__all__ = ["config"]


def config(number: int) -> TrialConfig:
    return resolve(make_spec(), number=number, params={"learning_rate": 1e-4, "batch_size": 16})

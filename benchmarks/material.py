"""What the benchmarks work on: the quickstart's reviews and checkpoint on one CPU thread."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.records.schema import Place
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from harness.training.host import Host

__all__ = ["HOST", "config", "data", "one_thread", "study"]

STUDIES = Path(__file__).resolve().parents[1] / "studies"
HOST = Host(place=Place(node="here", device="cpu", slot=0, threads=1))


def one_thread() -> None:
    """As in a slot of one thread; the figures of a machine then do not depend on its number of cores."""
    torch.set_num_threads(1)


@cache
def study() -> StudySpec:
    """The quickstart in fp32, so that machines with and without bf16 do the same work."""
    return load_study(STUDIES / "quickstart.yaml", ["training.precision=fp32"])


@cache
def data() -> PreparedData:
    """The reviews, split; kept in the cache of this user."""
    return prepare(study())


@cache
def config() -> TrialConfig:
    """The default recipe."""
    return resolve(study(), number=0, params=default_params(study()))

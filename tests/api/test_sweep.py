"""A sweep from Python: its run, and going on after Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from harness import load, sweep
from harness.errors import RunError, SpecError
from harness.records.schema import TrialRecord
from harness.terminal.view import PlainView

ROOT = Path(__file__).parents[2]
#: The smoke study with two trials of an epoch.
TINY = {"search.trials": 2, "training.epochs": 1, "confirm": None}


def smoke_table() -> pd.DataFrame:
    return pd.read_csv(ROOT / "studies" / "data" / "smoke.csv")


def test_interrupted_sweep_goes_on_by_the_same_call(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table, ended = smoke_table(), PlainView.ended

    def interrupt(view: PlainView, record: TrialRecord) -> None:
        ended(view, record)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PlainView, "ended", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sweep("smoke", table, changes=TINY)
    first = load("runs/smoke")
    assert first.results.final is None
    with pytest.raises(RunError, match="has no winner yet; let the sweep come to its end"):
        _ = first.test

    capsys.readouterr()
    run = sweep("smoke", table, changes=TINY)
    assert "1 of them done before" in capsys.readouterr().out
    assert run.folder == folder / "runs" / "smoke"
    assert len(run.trials) == 2
    assert run.best.trial in set(run.trials["number"])
    assert set(run.test) >= {"accuracy", "log_loss"}
    assert (run.model / "model.safetensors").is_file()

    again = sweep("smoke", table, changes=TINY, progress=False)
    assert again.best == run.best
    assert capsys.readouterr().out == ""

    other = table.iloc[:-3]
    with pytest.raises(RunError, match="was started with something else"):
        sweep("smoke", other, changes=TINY, progress=False)


def test_mistake_is_an_exception_and_leaves_nothing(folder: Path) -> None:
    with pytest.raises(SpecError, match=r"changes: training.batchsize: unknown key"):
        sweep("smoke", changes={"training.batchsize": 8})
    assert not (folder / "runs").exists()


def test_folder_that_is_no_run(folder: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        load("runs/none")

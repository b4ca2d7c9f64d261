"""From the study's `loggers` to loggers; a package that is missing is said before any work is done.

Knows nothing of how they write.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence

from harness.errors import InputError, MissingPackage
from harness.loggers.background import Loggers
from harness.loggers.base import Logger
from harness.records.rundir import RunFolder

__all__ = ["open_loggers"]


def open_loggers(names: Sequence[str], run: RunFolder, say: Callable[[str], None]) -> Loggers:
    """Returns the loggers `names` of a run as one; without names it does nothing.

    Raises:
        MissingPackage: the package of a logger is not installed.
        InputError: MLflow's server does not answer or refuses.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise MissingPackage(
                f"loggers: {name} needs the package {name}: pip install 'finetune-harness[{name}]'; "
                "or leave it out: loggers=[]"
            )
    return Loggers({name: _open(name, run, say) for name in names}, say)


def _open(name: str, run: RunFolder, say: Callable[[str], None]) -> Logger:
    if name == "tensorboard":
        from harness.loggers.tensorboard import TensorBoardLogger

        folder = run.path / "tensorboard"
        say(f"tensorboard --logdir {os.path.relpath(folder)}")
        return TensorBoardLogger(folder)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is sent anywhere that nobody asked for
    from harness.loggers.mlflow import MlflowLogger

    try:
        return MlflowLogger(run)
    except Exception as error:  # its client raises anything from its own errors to those of HTTP and SQL
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"loggers: mlflow cannot be used ({reason[:200]}); see MLFLOW_TRACKING_URI") from error

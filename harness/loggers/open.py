"""Opens the loggers that a study names; a missing package is an error before any work is done."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence

from harness.errors import InputError, MissingPackage, look_up
from harness.loggers.background import Loggers
from harness.loggers.base import Logger
from harness.records.rundir import RunFolder

__all__ = ["LOGGERS", "open_loggers"]

Say = Callable[[str], None]


def open_loggers(names: Sequence[str], run: RunFolder, say: Say) -> Loggers:
    """Returns the loggers `names` of a run as one monitor, which does nothing when there are no names.

    Raises:
        MissingPackage: the package of a logger is not installed.
        InputError: there is no such logger, or MLflow's server does not answer or refuses.
    """
    openers = {name: look_up(LOGGERS, name, "loggers") for name in names}
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise MissingPackage(
                f"loggers: {name} needs the package {name}: pip install 'finetune-harness[{name}]'; "
                "or leave it out: loggers=[]"
            )
    return Loggers({name: opener(run, say) for name, opener in openers.items()}, say)


def _tensorboard(run: RunFolder, say: Say) -> Logger:
    from harness.loggers.tensorboard import TensorBoardLogger

    folder = run.path / "tensorboard"
    say(f"tensorboard --logdir {os.path.relpath(folder)}")
    return TensorBoardLogger(folder)


def _mlflow(run: RunFolder, say: Say) -> Logger:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no data goes to a server that the user did not name
    from harness.loggers.mlflow import MlflowLogger

    try:
        return MlflowLogger(run)
    except Exception as error:  # its client raises anything from its own errors to those of HTTP and SQL
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"loggers: mlflow cannot be used ({reason[:200]}); see MLFLOW_TRACKING_URI") from error


#: How a logger is opened, by its name, which is also that of its package.
LOGGERS: Mapping[str, Callable[[RunFolder, Say], Logger]] = {"tensorboard": _tensorboard, "mlflow": _mlflow}

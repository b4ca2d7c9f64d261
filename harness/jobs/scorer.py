"""What the coordinator asks of the process that scores saved models, and `Scorer`, which starts it.

The process is `harness.jobs.score`. It reads two lines of JSON from a pipe: the features to compute while trials still
train (or null), then the models to score.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Self

from harness.data.prepared import PreparedData
from harness.errors import HarnessError, InputError
from harness.records.schema import Place, TrialRecord
from harness.records.shares import read_share
from harness.spec.space import Frozen
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from harness.stats.shown import percent
from harness.tasks import task_of

__all__ = ["BAD_INPUT", "FEATURES", "PROGRESS", "SPEEDS", "Features", "Request", "SavedModel", "Scorer", "features_of"]

#: The module that the process runs.
PROGRAM = "harness.jobs.score"
#: Its exit status where a checkpoint or the data cannot be used.
BAD_INPUT = 2
#: The file with the speed of each model by name, beside the answers.
SPEEDS = "speeds.json"
#: The file in which the process says how much of the answers is written, while it lets models write.
PROGRESS = "progress.json"
#: The name of the answers of the baseline on frozen features.
FEATURES = "features"


class SavedModel(Frozen):
    """A model to score: a folder with config.json and model.safetensors.

    With `processor`, the tokenizer is written into the folder first. With `raw`, rows are encoded by the folder's own
    tokenizer, as a user of the export would encode them.
    """

    name: str
    folder: str
    config: TrialConfig
    threads: int
    splits: tuple[str, ...] = ("validation", "test")
    processor: bool = False
    raw: bool = False

    @property
    def speed_key(self) -> tuple[object, ...]:
        """What the speed of predicting depends on; models with the same key are measured once."""
        model, data = self.config.model, self.config.data
        return model.checkpoint, model.layers, self.config.training.precision, data.max_length


class Features(Frozen):
    """The baseline on frozen features: a simple model of `train_rows` rows on the untuned checkpoint of `config`.

    Its answers are written to `file`, where the task and the checkpoint have such a baseline.
    """

    data: str
    out: str
    place: Place
    config: TrialConfig
    train_rows: int | None

    @property
    def file(self) -> Path:
        """`<out>/features.npz`."""
        return Path(self.out) / f"{FEATURES}.npz"


def features_of(folder: Path, spec: StudySpec, data: PreparedData, record: TrialRecord) -> Features | None:
    """The baseline on the frozen features of a trial's checkpoint; its answers go into `folder`.

    None where there is no such baseline, and where the trial's precision or place is not known.
    """
    config = record.trained_config
    place = record.place or (record.history[-1].place if record.history else None)
    if config.training.precision == "auto" or place is None:
        return None
    if config.model.checkpoint == "scratch" or not task_of(spec.task).features_baseline:
        return None
    rows = spec.data.most_train_rows
    return Features(data=str(data.folder), out=str(folder), place=place, config=config, train_rows=rows)


class Request(Frozen):
    """The models to score, and where; `at_once` is the number of models that are scored side by side on a CPU.

    With `speeds`, the time of predicting is measured too, of one model after the other. `features` are computed where
    they were not asked for before.
    """

    data: str
    out: str
    place: Place
    at_once: int = 1
    models: tuple[SavedModel, ...]
    task: str
    speeds: bool = False
    features: Features | None = None


class Scorer:
    """A process that scores saved models once; it is started early, so that its imports are done before the request."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: IO[bytes] | None = None
        self._features: Features | None = None
        self.lost_features = False
        """True when the process died twice while it computed the features, so that they were left out."""
        self.told: Callable[[str], None] = lambda line: None
        """Gets a line on how much is done, about once a second, where models write answers; "" when they have."""

    @property
    def computes_features(self) -> bool:
        """True when the process was started with features to compute."""
        return self._features is not None

    def start(self, features: Features | None = None) -> None:
        """Starts the process, unless it was started, with work at a low priority; it ends when this process ends."""
        if self._process is not None:
            return
        theirs, ours = os.pipe()
        self._lines = os.fdopen(ours, "wb")
        try:
            with self.log.open("ab") as stream:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", PROGRAM, str(theirs)],
                    pass_fds=(theirs,),
                    stdin=subprocess.PIPE,  # never written: the kernel tells the process when this one is gone
                    stdout=stream,
                    stderr=stream,
                    env=os.environ | {"TOKENIZERS_PARALLELISM": "false"},
                    start_new_session=True,  # the terminal's Ctrl-C is for the coordinator
                )
        finally:
            os.close(theirs)
        self._features = features
        self._write("null" if features is None else features.model_dump_json())

    def _write(self, line: str) -> None:
        if self._lines is None:
            raise HarnessError("the scoring process was closed before it was asked")
        with suppress(BrokenPipeError):  # the process died early, which its exit status tells
            self._lines.write(line.encode() + b"\n")
            self._lines.flush()

    @contextmanager
    def scoring(self, request: Request) -> Iterator[None]:
        """Scores the request while the body runs; afterwards `<out>/<name>.npz` hold the answers by split.

        A process that dies is started once more; one that dies before the features are written, then without them.

        Raises:
            InputError: a model cannot be scored, because its checkpoint or the data is not there any more.
            HarnessError: the process failed each time; the message names its log.
        """
        Path(request.out).mkdir(parents=True, exist_ok=True)
        self.start()
        self._write(request.model_dump_json())
        yield
        progress = Path(request.out) / PROGRESS
        try:
            self._finish(request, progress)
        finally:
            progress.unlink(missing_ok=True)

    def _finish(self, request: Request, progress: Path) -> None:
        if not self._has_failed(progress):
            return
        features = request.features or self._features
        missing = _is_missing(features)
        for again in (features, None) if missing else (None,):
            self._refuse_bad_input()
            self.close()
            self.start()
            # One model after the other, which takes the least memory.
            self._write(request.model_copy(update={"features": again, "at_once": 1}).model_dump_json())
            if not self._has_failed(progress):
                self.lost_features = again is None and _is_missing(features)
                return
        self._refuse_bad_input()
        raise HarnessError(
            f"scoring the saved models failed, and failed again: {self._cause()} (log: {self.log}); nothing is lost: "
            "run the same command again"
        )

    def _has_failed(self, progress: Path) -> bool:
        """Waits until the process ends, and tells what it writes to `progress`; True when it did not end well."""
        if self._process is None:
            return False
        while True:
            try:
                return self._process.wait(timeout=1) != 0
            except subprocess.TimeoutExpired:
                share = read_share(progress)
                self.told(f"writing answers, {percent(share, 0)}" if share is not None else "")

    def _refuse_bad_input(self) -> None:
        """Raises what the process found wrong, if it was that which ended it."""
        if self._process is not None and self._process.returncode == BAD_INPUT:
            raise InputError(f"scoring the saved models: {self._cause()}")

    def _cause(self) -> str:
        """The signal that ended the process, else the last line that it printed."""
        status = self._process.returncode if self._process is not None else 0
        if status < 0:
            return f"the process died ({signal.Signals(-status).name})"
        return "".join(self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:])

    def close(self) -> None:
        """Kills the process."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._lines, self._process.stdin):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process = self._lines = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_missing(features: Features | None) -> bool:
    return features is not None and not features.file.exists()

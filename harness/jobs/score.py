"""Scores saved models in a new process: `python -m harness.jobs.score`, and `Scorer`, which starts it.

The process reads a `Request` (one line of JSON on standard input), writes one .npz of answers per model, and measures
how fast the models predict.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Self

import numpy as np

from harness.data.answers import Answers, write_answers
from harness.data.encoded import Arrays
from harness.data.prepared import PreparedData
from harness.errors import HarnessError
from harness.records.final import PredictionSpeed
from harness.records.schema import Place
from harness.runtime import quick_imports, stand_back
from harness.spec.foreign import trust
from harness.spec.space import Frozen
from harness.spec.trial import TrialConfig

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["FEATURES", "SPEEDS", "Request", "SavedModel", "Scorer"]

#: The file with the speed of each model by name, beside the answers.
SPEEDS = "speeds.json"
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
        return model.checkpoint, model.layers, self.config.training.precision, data.max_length, self.threads


class Request(Frozen):
    """The models to score, and where; `at_once` is the number of models that are scored side by side on a CPU.

    With `speeds`, the time of predicting is measured too, of one model after the other. With `features`, the checkpoint
    of that configuration is a baseline too, untrained, with a simple model of `train_rows` rows on its features.
    """

    data: str
    out: str
    place: Place
    at_once: int = 1
    models: tuple[SavedModel, ...]
    task: str
    speeds: bool = False
    features: TrialConfig | None = None
    train_rows: int | None = None


class Scorer:
    """A process that scores saved models once; it is started early, so that its imports are done before the request."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process, unless it was started; it ends by itself when this process ends."""
        if self._process is None:
            with self._log.open("ab") as stream:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "harness.jobs.score"],
                    stdin=subprocess.PIPE,
                    stdout=stream,
                    stderr=stream,
                    env=os.environ | {"TOKENIZERS_PARALLELISM": "false"},
                    start_new_session=True,  # the terminal's Ctrl-C is for the coordinator
                )

    @contextmanager
    def scoring(self, request: Request) -> Iterator[None]:
        """Scores the request while the body runs; afterwards `<out>/<name>.npz` hold the answers by split.

        Raises:
            HarnessError: the process failed; the message names its log.
        """
        Path(request.out).mkdir(parents=True, exist_ok=True)
        self.start()
        if self._process is None or self._process.stdin is None:
            raise HarnessError("the scoring process was closed before it was asked")
        with suppress(BrokenPipeError):  # the process ended early: its exit status is checked below
            self._process.stdin.write(request.model_dump_json().encode() + b"\n")
            self._process.stdin.close()
        yield
        if self._process.wait():
            last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise HarnessError(f"scoring the saved models failed: {''.join(last)} (log: {self._log})")

    def close(self) -> None:
        """Kills the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                with suppress(OSError):
                    self._process.stdin.close()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _score(request: Request) -> None:
    """Scores the models, several at once on a CPU; each with its own number of threads, on which rounding depends."""
    from harness.training.device import bind

    trust(request.task)  # the coordinator has already checked that the user trusts the task
    device, loading = bind(request.place), Lock()
    with ThreadPoolExecutor(request.at_once if device.type == "cpu" else 1) as pool:
        work = [pool.submit(_score_model, request, saved, device, loading) for saved in request.models]
        if request.features is not None and request.features.training.precision != "auto":
            work.append(pool.submit(_score_features, request, request.features, device, loading))
        for future in work:
            future.result()
    if request.speeds:
        measured = {saved.speed_key: saved for saved in reversed(request.models)}
        speeds = {key: _speed(request, saved, device) for key, saved in measured.items()}
        by_name = {saved.name: speeds[saved.speed_key].model_dump() for saved in request.models}
        (Path(request.out) / SPEEDS).write_text(json.dumps(by_name), encoding="utf-8")


def _score_model(request: Request, saved: SavedModel, device: torch.device, loading: Lock) -> None:
    from harness.tasks import task_of
    from harness.tasks.encode import encoded
    from harness.training.device import use_threads
    from harness.training.evaluate import predict

    data, task = PreparedData(Path(request.data)), task_of(request.task)
    use_threads(saved.threads)
    if saved.processor:
        task.write_processor(saved.config, data, Path(saved.folder))
    with loading:  # transformers sets torch's default dtype for all threads meanwhile
        model = _loaded(request, saved, device)
    answers: dict[str, Answers] = {}
    for split in saved.splits:
        if saved.raw:
            frame = data.frame(split)
            rows = [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
            config = saved.config.data
            examples = task.predict_inputs(rows, Path(saved.folder), config.max_length, config.preprocess)
            targets: Arrays = task.row_targets(frame)
        else:
            examples = encoded(data, saved.config, split)
            targets = examples.targets
        outputs = predict(model, task, examples, np.arange(len(examples)), device)
        answers[split] = Answers(outputs, targets)
    write_answers(Path(request.out) / f"{saved.name}.npz", answers)


def _score_features(request: Request, config: TrialConfig, device: torch.device, loading: Lock) -> None:
    """Writes the answers of a simple model on the untrained checkpoint's features, where the task has one."""
    from harness.tasks import task_of
    from harness.training.device import use_threads
    from harness.training.features import feature_outputs

    use_threads(request.place.threads)
    data, splits = PreparedData(Path(request.data)), ("validation", "test")
    outputs = feature_outputs(config, data, splits, request.train_rows, device, loading)
    if outputs is not None:
        task = task_of(request.task)
        answers = {split: Answers(outputs[split], task.row_targets(data.frame(split))) for split in splits}
        write_answers(Path(request.out) / f"{FEATURES}.npz", answers)


def _loaded(request: Request, saved: SavedModel, device: torch.device) -> PreTrainedModel:
    """Returns the model of a folder on the device, in the precision that it was trained in."""
    from harness.tasks import task_of
    from harness.tasks.models import load_saved
    from harness.training.host import Host
    from harness.training.model import tune_for
    from harness.training.precision import chosen_precision
    from harness.training.weights import DTYPES, cast_model

    model, config = load_saved(Path(saved.folder), task_of(request.task).auto), saved.config
    tune_for(model, device)
    if config.training.precision == "auto":  # the run is of a version that did not record it
        data = PreparedData(Path(request.data))
        config = config.in_precision(chosen_precision(config, data, Host(place=request.place)).precision)
    cast_model(model.to(device), DTYPES[config.training.precision])
    return model


def _speed(request: Request, saved: SavedModel, device: torch.device) -> PredictionSpeed:
    """Measures a model on its validation rows."""
    from harness.jobs.prediction_speed import measured_speed
    from harness.tasks import task_of
    from harness.tasks.encode import encoded
    from harness.training.device import use_threads

    use_threads(saved.threads)
    examples = encoded(PreparedData(Path(request.data)), saved.config, "validation")
    rows_per_second, row_ms = measured_speed(_loaded(request, saved, device), task_of(request.task), examples, device)
    size = (Path(saved.folder) / "model.safetensors").stat().st_size
    return PredictionSpeed(rows_per_second=rows_per_second, row_ms=row_ms, megabytes=size / 1e6)


def _main() -> None:
    """Imports modules while it waits for the request; ends without one when the coordinator has ended."""
    atexit.register(gc.freeze)  # a last collection of what torch and transformers left takes a second
    with ThreadPoolExecutor(1, initializer=stand_back) as background:
        imported = background.submit(_import)
        line = sys.stdin.readline()
        imported.result()
    if line:
        _score(Request.model_validate_json(line))


def _import() -> None:
    with quick_imports():
        import pandas  # noqa: F401  the winner's rows are read as a user would read them

        import harness.tasks.encode
        import harness.training.evaluate  # noqa: F401
        from harness.training.model import warm_up

        warm_up()


if __name__ == "__main__":
    _main()

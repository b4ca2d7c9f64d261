"""The process that scores saved models: `python -m harness.jobs.score FD`, which `harness.jobs.scorer` starts.

It reads its two lines from the pipe FD, writes one .npz of answers per model, and measures how fast the models predict.
It is killed when the process that started it is gone.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from harness.data.answers import Answers, write_answers
from harness.data.encoded import Arrays
from harness.data.prepared import PreparedData
from harness.errors import InputError
from harness.jobs.prediction_speed import measured_speed, summary
from harness.jobs.scorer import BAD_INPUT, PROGRESS, SPEEDS, Features, Request, SavedModel
from harness.machine.lifeline import die_with_parent
from harness.records.files import write_json
from harness.records.shares import write_share
from harness.runtime import quick_imports, stand_back
from harness.spec.foreign import trust
from harness.spec.trial import TrialConfig
from harness.tasks.progress import Shares, listening

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__: list[str] = []

#: Held while a model is loaded: transformers sets torch's default dtype for all threads meanwhile.
_LOADING = Lock()


def _score(request: Request) -> None:
    """Scores the models, several at once on a CPU; each with its own number of threads, on which rounding depends."""
    from harness.training.device import bind

    trust(request.task)  # the coordinator has already checked that the user trusts the task
    device = bind(request.place)
    workers = request.at_once if device.type == "cpu" else 1
    progress = Shares(partial(write_share, Path(request.out) / PROGRESS))
    with listening(progress), ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(_score_model, request, saved, device) for saved in request.models]:
            future.result()


def _measure(request: Request) -> None:
    """Measures each kind of model by itself, and writes the speeds of all.

    Several kinds are measured in two rounds, so that a busy moment of the machine slows none of them alone.
    """
    from harness.training.device import bind

    if request.speeds:
        device = bind(request.place)
        kinds = {saved.speed_key: saved for saved in reversed(request.models)}
        rounds = [
            {key: _speed(request, saved, device) for key, saved in kinds.items()}
            for _ in range(2 if len(kinds) > 1 else 1)
        ]
        speeds = {key: summary([measured[key] for measured in rounds], saved.folder) for key, saved in kinds.items()}
        by_name = {saved.name: speeds[saved.speed_key].model_dump() for saved in request.models}
        write_json(Path(request.out) / SPEEDS, by_name)


def _score_model(request: Request, saved: SavedModel, device: torch.device) -> None:
    from harness.tasks import task_of
    from harness.tasks.encode import encoded
    from harness.training.device import use_threads
    from harness.training.evaluate import answered

    data, task = PreparedData(Path(request.data)), task_of(request.task)
    use_threads(saved.threads)
    if saved.processor:
        task.write_processor(saved.config, data, Path(saved.folder))
    with _LOADING:
        model = _loaded(request, saved, device)
    answers: dict[str, Answers] = {}
    for split in saved.splits:
        if saved.raw:
            frame = data.frame(split)
            rows = [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
            config = saved.config.data
            examples = task.predict_inputs(rows, Path(saved.folder), config.max_length, config.preprocess)
        else:
            examples = encoded(data, saved.config, split)
        processor = Path(saved.folder) if saved.raw else task.processor_folder(saved.config, data)
        outputs = answered(model, task, examples, np.arange(examples.num_rows), device, processor, saved.config)
        answers[split] = Answers(outputs, _targets(data, saved.config, split))
    write_answers(Path(request.out) / f"{saved.name}.npz", answers)


def _score_features(asked: Features) -> None:
    """Writes the answers of a simple model on a checkpoint's features; a failure is logged, and no file is written."""
    from harness.training.device import bind
    from harness.training.features import feature_outputs

    try:
        trust(asked.config.task)  # the coordinator has already checked that the user trusts the task
        device, data, splits = bind(asked.place), PreparedData(Path(asked.data)), ("validation", "test")
        outputs = feature_outputs(asked.config, data, splits, asked.train_rows, device, _LOADING)
        if outputs is not None:
            answers = {split: Answers(outputs[split], _targets(data, asked.config, split)) for split in splits}
            Path(asked.out).mkdir(parents=True, exist_ok=True)
            write_answers(asked.file, answers)
    except Exception:  # a baseline less is no reason to lose the study
        traceback.print_exc()


def _targets(data: PreparedData, config: TrialConfig, split: str) -> Arrays:
    """Returns the targets of a split: those of its rows, or of their encoding where the rows have none."""
    from harness.tasks import task_of
    from harness.tasks.encode import encoded

    return task_of(config.task).row_targets(data.frame(split)) or encoded(data, config, split).targets


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


def _speed(request: Request, saved: SavedModel, device: torch.device) -> tuple[list[float], list[float]]:
    """Measures a model on its validation rows: the rows a second of several passes, and the ms of single rows.

    All models have the threads of the first, the winner: trials may have been trained on more or fewer.
    """
    from harness.tasks import task_of
    from harness.tasks.encode import encoded
    from harness.training.device import use_threads

    use_threads(request.models[0].threads)
    data, task = PreparedData(Path(request.data)), task_of(request.task)
    examples, folder = encoded(data, saved.config, "validation"), task.processor_folder(saved.config, data)
    return measured_speed(_loaded(request, saved, device), task, examples, device, folder)


def _main() -> None:
    """Imports modules and computes features while it waits for the request; ends at once if none can come any more."""
    die_with_parent()
    atexit.register(gc.freeze)  # a last collection of what torch and transformers left takes a second
    with ThreadPoolExecutor(1, initializer=stand_back) as background, os.fdopen(int(sys.argv[1])) as lines:
        imported = background.submit(_import)
        work = [_begun(background, lines.readline())]
        line = lines.readline()
        if not line:
            os._exit(0)  # without waiting for the features of a study that nobody concludes
        imported.result()
        request = Request.model_validate_json(line)
        if request.features is not None:
            work.append(background.submit(_score_features, request.features))
        _score(request)
        for future in work:
            if future is not None:
                future.result()
        _measure(request)


def _begun(background: ThreadPoolExecutor, line: str) -> Future[None] | None:
    """Starts the work of the first line; None where it asks for none."""
    if line.strip() in ("", "null"):
        return None
    return background.submit(_score_features, Features.model_validate_json(line))


def _import() -> None:
    with quick_imports():
        import pandas  # noqa: F401  the winner's rows are read as a user would read them

        import harness.tasks.encode
        import harness.training.evaluate  # noqa: F401
        from harness.training.model import warm_up

        warm_up()


if __name__ == "__main__":
    try:
        _main()
    except InputError as error:  # it would come again: the coordinator tells it, and starts no second process
        sys.stderr.write(f"{error}\n")
        sys.exit(BAD_INPUT)

"""The actor that runs trials on a node: a Tune trainable around a `Driver`, reused from trial to trial.

A step of Tune is the training up to an evaluation; the step after the last evaluation saves the weights.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import ray
from pydantic import Field
from ray.tune import Trainable

from harness.data.cache import built_once, default_cache
from harness.engines.drive import LOG, SNAPSHOT, WEIGHTS, Driver, load_trial_function
from harness.engines.messages import Evaluated, Failed, Finished
from harness.engines.ray.files import COMPLETE, Parcel, copy_in, copy_out, mark_complete, unpack
from harness.engines.worker import captured
from harness.machine.resources import processor_name
from harness.records.files import fill_folder
from harness.records.precision import PrecisionChoice, device_kind
from harness.records.schema import Place
from harness.spec.space import Frozen
from harness.spec.trial import ParamValue, TrialConfig
from harness.training.host import Host

__all__ = ["Job", "Order", "StepReport", "TrialActor", "open_driver", "with_local_checkpoint"]

MOST_LOG_BYTES = 256 * 1024


class Job(Frozen):
    """What all trials of a run share.

    `storage` is "" where every node sees the run folder: trials work in it, and a Tune checkpoint has no files.
    Otherwise they work in a folder of their node, and snapshots and weights are kept in `storage` (a folder or a URL
    that all nodes see). `by_value`: checkpoints hold the snapshot itself, so that a trial can take over another one's.
    """

    data: str
    trial_fn: str
    threads: int
    device: str = "auto"
    storage: str = ""
    by_value: bool = False
    parcels: tuple[Parcel, ...] = ()
    precisions: tuple[PrecisionChoice, ...] = ()
    models: tuple[TrialConfig, ...] = ()
    environment: dict[str, str] = {}


class Order(Frozen):
    """What an actor gets of a trial. `resume` is the place of its snapshot; "" starts at step 0.

    `changed` are values of population-based training, which replace those of `config`.
    """

    config: TrialConfig
    folder: str
    resume: str = ""
    changed: dict[str, ParamValue] = {}

    @property
    def resolved(self) -> TrialConfig:
        """The config with the changed values."""
        training = self.config.training.model_copy(update=self.changed)
        return self.config.model_copy(update={"training": training, "params": self.config.params | self.changed})


class StepReport(Frozen):
    """The result of a step. `trouble`: why the actor can run no trial at all; `log`: new text of the trial's log."""

    event: Annotated[Evaluated | Finished | Failed, Field(discriminator="op")] | None = None
    trouble: str = ""
    node: str = ""
    device: str = "cpu"
    device_name: str = ""
    log: str = ""


class TrialActor(Trainable):
    """Runs trials. `config` is `{"order": JSON of an Order}`, with the mutable params in population-based training."""

    def setup(self, config: dict[str, Any], job: str = "", refs: Mapping[str, Any] | None = None) -> None:
        """Imports the trial function; an error is reported at the first step, as it concerns every trial.

        `refs` are the packed folders of `Job.parcels` in the object store.
        """
        self._job = Job.model_validate_json(job)
        self._driver: Driver | None = None
        self._local_paths: dict[str, str] = {}
        self._fatal = False
        self._trouble = ""
        self._place = Place(node="", device="cpu", slot=0, threads=self._job.threads)
        try:
            self._driver, self._place, self._local_paths = open_driver(self._job, refs or {})
        except Exception as error:
            self._trouble = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        self._begin(config)

    def _begin(self, config: Mapping[str, Any]) -> None:
        order = Order.model_validate_json(config["order"])
        changed = {name: config[name] for name in config if name in order.config.training.model_fields}
        self._order = order.model_copy(update={"changed": changed})
        self._scratch = Path(tempfile.mkdtemp(prefix="hr-", dir=self.logdir)) if self._job.storage else None
        self._folder = self._scratch or Path(order.folder)
        self._resume: Path | None = None
        self._failed: Failed | None = None
        self._last: Evaluated | None = None
        self._log_bytes = 0
        if order.resume and self._scratch is not None:
            self._fill_snapshot(lambda new: copy_in(order.resume, new))
        elif order.resume:
            self._resume = Path(order.resume)

    def _fill_snapshot(self, write: Any) -> None:
        fill_folder(self._folder / SNAPSHOT, write)
        self._resume = self._folder / SNAPSHOT

    @property
    def _number(self) -> int:
        return self._order.config.number

    def step(self) -> dict[str, Any]:
        """Trains up to the next evaluation, or saves the weights after the last one."""
        if self._driver is None or self._trouble:
            return self._report(StepReport(trouble=self._trouble))
        if self._failed is not None:
            event: Evaluated | Finished | Failed = self._failed
        elif self._last is None:
            event = self._driver.start(self._config(), self._folder, self._resume)
        elif self._last.progress.done:
            event = self._finish(self._driver)
        else:
            event = self._driver.pull(self._number)
        if isinstance(event, Evaluated):
            self._last = event
        self._fatal = isinstance(event, Failed) and event.fatal
        return self._report(StepReport(event=event))

    def _config(self) -> TrialConfig:
        return with_local_checkpoint(self._order.resolved, self._local_paths)

    def _finish(self, driver: Driver) -> Finished | Failed:
        done = driver.finish(self._number, save=True)
        if self._scratch is not None and isinstance(done, Finished):
            copy_out(self._folder / WEIGHTS, f"{self._job.storage}/{self._order.folder}/{WEIGHTS}")
        return done

    def _report(self, report: StepReport) -> dict[str, Any]:
        report = report.model_copy(
            update={
                "node": ray.get_runtime_context().get_node_id(),
                "device": self._place.device,
                "device_name": self._place.device_name,
                "log": self._new_log(),
            }
        )
        return {"report": json.dumps(report.model_dump(mode="json"))}  # a metric may be NaN

    def _new_log(self) -> str:
        """Returns the log since the last step, for a coordinator that does not see this folder."""
        log = self._folder / LOG
        if self._scratch is None or not log.exists():
            return ""
        with log.open("rb") as file:
            file.seek(self._log_bytes)
            new = file.read(MOST_LOG_BYTES)
        self._log_bytes += len(new)
        return new.decode("utf-8", "replace")

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """Saves a checkpoint in a folder that is removed with the session, even when this process is killed."""
        folder = Path(tempfile.mkdtemp(prefix="checkpoint-", dir=self.logdir))
        try:
            return super().save(str(folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes a snapshot; where that fails, the next step reports the failure."""
        if self._driver is None or self._last is None or self._failed is not None:
            return
        done = self._driver.snapshot(self._number)
        if isinstance(done, Failed):
            self._failed = done
        elif self._job.by_value:
            shutil.copytree(self._folder / SNAPSHOT, checkpoint_dir, dirs_exist_ok=True)
            mark_complete(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Takes the snapshot from a checkpoint or from the trial's folder; without one the trial is replayed."""
        if self._job.by_value:
            if (Path(checkpoint) / COMPLETE).exists():
                self._fill_snapshot(lambda new: shutil.copytree(checkpoint, new, dirs_exist_ok=True))
        elif (self._folder / SNAPSHOT).is_dir():
            self._resume = self._folder / SNAPSHOT

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Prepares for another trial; returns False when this process cannot be used any more."""
        self.cleanup()
        if self._fatal:
            return False
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Closes the trial and removes its folder on this node."""
        if self._driver is not None:
            self._driver.close_all()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


def open_driver(job: Job, refs: Mapping[str, Any]) -> tuple[Driver, Place, dict[str, str]]:
    """Returns a driver in this process, its place, and the paths of the job's parcels on this node."""
    os.environ.update(job.environment)
    moved = {parcel.name: _fetch(parcel, refs) for parcel in job.parcels}
    trial_fn = load_trial_function(job.trial_fn)
    place = _place(job)
    host = Host(place=place.model_copy(update={"device": _inside(place.device)}))
    host.precision = next((choice for choice in job.precisions if choice.kind == device_kind(place)), None)
    models = [with_local_checkpoint(config, moved) for config in job.models]
    data = moved.get(job.data, job.data)
    driver = Driver(host, data, trial_fn, memory_budget_bytes=0, models=models, capture=captured)
    return driver, place, moved


def with_local_checkpoint(config: TrialConfig, moved: Mapping[str, str]) -> TrialConfig:
    """Returns the config with the path of its checkpoint on this node."""
    folder = moved.get(config.model.checkpoint)
    if folder is None:
        return config
    return config.model_copy(update={"model": config.model.model_copy(update={"checkpoint": folder})})


def _fetch(parcel: Parcel, refs: Mapping[str, Any]) -> str:
    """Returns a folder's path on this node: its own, or one in the cache, where the first trial unpacks it."""
    if Path(parcel.path).is_dir() or parcel.key not in refs:
        return parcel.path
    folder = default_cache() / "ray" / parcel.key
    return str(built_once(folder, lambda new: unpack(ray.get(refs[parcel.key]), new)))


def _place(job: Job) -> Place:
    """Returns the place of this actor, with the device's name outside of the actor."""
    node = ray.get_runtime_context().get_node_id()
    gpu_ids = ray.get_gpu_ids() if job.device != "cpu" else []
    if not gpu_ids:
        return Place(node=node, device="cpu", slot=0, threads=job.threads, device_name=processor_name())
    import torch

    kind = torch.accelerator.current_accelerator()
    if kind is None:
        raise RuntimeError(f"Ray gives GPU {gpu_ids[0]} to this process, and torch sees none")
    name = "" if kind.type == "mps" else torch.get_device_module(kind.type).get_device_properties(0).name
    return Place(node=node, device=f"{kind.type}:{gpu_ids[0]}", slot=0, threads=job.threads, device_name=name)


def _inside(device: str) -> str:
    """Returns the device's name inside of the actor, which sees its own accelerator only, as number 0."""
    kind, _, index = device.partition(":")
    return f"{kind}:0" if index else device

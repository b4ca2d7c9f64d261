"""Where trials keep their files: in the run folder when all nodes see it, else on their node and in a storage."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.data.checkpoints import resolve
from harness.engines.active import Active
from harness.engines.drive import LOG, SNAPSHOT, WEIGHTS
from harness.engines.ray.files import Parcel, copy_in, folders, key_of, newest_complete, pack, remove
from harness.engines.ray.session import Session
from harness.errors import CheckpointError, EngineError
from harness.records.files import fill_folder
from harness.records.rundir import KINDS, RunFolder
from harness.runtime import expanded
from harness.spec.space import Frozen
from harness.spec.study import StudySpec, split_checkpoint

__all__ = ["RunPlaces", "StoragePlaces", "checkpoint_folders", "parcels_for", "survey"]

ANSWER_WITHIN_S = 120.0


class RunPlaces:
    """Trials work in the run folder, which every node sees; no file has to be copied."""

    storage = ""

    def __init__(self, run: RunFolder) -> None:
        self.tune = str(run.path / "ray" / "tune")

    def folder(self, trial: Active) -> str:
        """Returns the trial's folder for its actor."""
        return str(trial.folder)

    def snapshot(self, trial: Active) -> str:
        """Returns the place of the trial's last snapshot; "" when there is none."""
        folder = trial.folder / SNAPSHOT
        return str(folder) if folder.is_dir() else ""

    def append_log(self, trial: Active, text: str) -> None:
        """Does nothing: the actor writes into the log itself."""

    def fetch_weights(self, trial: Active) -> None:
        """Does nothing: the actor saves them in the run folder."""

    def forget(self, trial: Active) -> None:
        """Does nothing: no files are elsewhere."""

    def close(self, *, finished: bool) -> None:
        """Removes Tune's own files."""
        shutil.rmtree(self.tune, ignore_errors=True)


class StoragePlaces:
    """Trials work in folders of their nodes; snapshots and weights are kept in a storage that all nodes see."""

    def __init__(self, run: RunFolder, storage_path: str) -> None:
        path = storage_path if "://" in storage_path else str(expanded(storage_path).absolute())
        # Two people may run studies of one name over one storage.
        owner = hashlib.sha256(f"{socket.gethostname()}:{run.path}".encode()).hexdigest()[:8]
        self.storage = self.tune = f"{path.rstrip('/')}/{run.path.name}-{owner}"
        self._recover(run)

    def _recover(self, run: RunFolder) -> None:
        """Copies the snapshots that a killed coordinator left in the storage into the run folder."""
        prefixes = {match[0] for name in folders(self.storage) if (match := re.match(r"([a-z]+)-(\d+)-", name))}
        for prefix in prefixes:
            kind, number, _ = prefix.split("-")
            place = newest_complete(self.storage, prefix)
            if kind in KINDS and place:
                folder = run.trial_dir(kind, int(number)) / SNAPSHOT
                fill_folder(folder, lambda new, place=place: copy_in(place, new))  # type: ignore[misc]

    @staticmethod
    def _name(trial: Active) -> str:
        return f"{trial.config.kind}-{trial.number}"

    def folder(self, trial: Active) -> str:
        return self._name(trial)

    def snapshot(self, trial: Active) -> str:
        return newest_complete(self.storage, f"{self._name(trial)}-")

    def append_log(self, trial: Active, text: str) -> None:
        with (trial.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(text)

    def fetch_weights(self, trial: Active) -> None:
        place = f"{self.storage}/{self._name(trial)}/{WEIGHTS}"
        fill_folder(trial.folder / WEIGHTS, lambda new: copy_in(place, new))

    def forget(self, trial: Active) -> None:
        remove(f"{self.storage}/{self._name(trial)}")
        for name in folders(self.storage):
            if name.startswith(f"{self._name(trial)}-"):
                remove(f"{self.storage}/{name}")

    def close(self, *, finished: bool) -> None:
        """Leaves the snapshots of trials that have not ended, for the next coordinator."""
        if finished:
            remove(self.storage)


class NodeSurvey(Frozen):
    """What one node sees: the hash of its harness, the run folder, and the folders that are missing there."""

    code: str
    run: bool
    missing: tuple[str, ...]


def checkpoint_folders(spec: StudySpec) -> dict[str, str]:
    """Returns the folders of a study's checkpoints, by name: nodes may have no package, folder or network for them."""
    folders_by_name = {}
    for name in {split_checkpoint(checkpoint)[0] for checkpoint in spec.model.checkpoints}:
        with suppress(CheckpointError):  # the trial reports it
            if (path := resolve(name).path) is not None:
                folders_by_name[name] = str(path.absolute())
    return folders_by_name


def listing_hash(folder: str) -> str:
    """Returns a hash of the names and sizes of the files directly in a folder; "" where it does not exist."""
    root = Path(folder)
    if not root.is_dir():
        return ""
    files = sorted((path.name, path.stat().st_size) for path in root.iterdir() if path.is_file())
    return hashlib.sha256(repr(files).encode()).hexdigest()


def code_hash() -> str:
    """Returns a hash of the installed harness."""
    root = Path(__file__).parents[2]
    files = sorted(path for path in root.rglob("*.[pc]*") if path.suffix in (".py", ".c"))
    lines = [f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@ray.remote(num_cpus=0, max_retries=1)
def look(marker: str, paths: Mapping[str, str]) -> str:
    """Runs on a node. `paths` are folders with the hash of what is in them."""
    missing = tuple(path for path, listing in paths.items() if listing_hash(path) != listing)
    return NodeSurvey(code=code_hash(), run=Path(marker).is_file(), missing=missing).model_dump_json()


def survey(session: Session, run: RunFolder, paths: Sequence[str], need: Mapping[str, float]) -> tuple[bool, set[str]]:
    """Returns whether all nodes that can run trials see the run folder, and the folders that some do not see.

    Raises:
        EngineError: a node does not answer, or has another harness.
    """
    if session.private:
        return True, set()
    marker = run.path / "ray" / f"seen-{uuid4().hex}"
    marker.parent.mkdir(mode=0o700, exist_ok=True)
    marker.touch()
    listings = {path: listing_hash(path) for path in paths}
    try:
        futures = {node: _ask(node, str(marker), listings) for node in session.with_room(need)}
        surveys = [_answer(session.node_name(node), future) for node, future in futures.items()]
    finally:
        marker.unlink()
    return all(survey.run for survey in surveys), {path for survey in surveys for path in survey.missing}


def _ask(node: str, marker: str, paths: Mapping[str, str]) -> Any:
    return look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(marker, paths)


def _answer(name: str, future: Any) -> NodeSurvey:
    try:
        seen = NodeSurvey.model_validate_json(ray.get(future, timeout=ANSWER_WITHIN_S))
    except GetTimeoutError:
        raise EngineError(f"node {name} does not answer within {ANSWER_WITHIN_S:.0f} s") from None
    except RayError as error:
        last = str(error).strip().splitlines()[-1].strip()
        raise EngineError(
            f"node {name} cannot run trials: {last[:200]} (is the same harness installed there?)"
        ) from None
    if seen.code != code_hash():
        raise EngineError(f"node {name} has another version of harness than this machine; install the same one there")
    return seen


def parcels_for(paths: Mapping[str, str], missing: set[str]) -> tuple[tuple[Parcel, ...], dict[str, Any]]:
    """Returns the folders that trials need (`paths` by name), and those missing on a node, packed for the store."""
    parcels, refs = [], {}
    for name, path in paths.items():
        key = ""
        if path in missing:
            packed = pack(Path(path))
            key = key_of(packed)
            refs[key] = ray.put(packed)
        parcels.append(Parcel(name=name, path=path, key=key))
    return tuple(parcels), refs

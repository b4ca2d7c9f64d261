"""The Ray session that trials run in: a private one on this machine, or an existing one, which is never stopped."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants, services, worker
from ray.exceptions import RayError

from harness.engines.ray.address import find_head
from harness.engines.ray.environment import changed_environment, own_token
from harness.engines.ray.reaper import watched
from harness.errors import EngineError
from harness.machine.slots import Slot

__all__ = ["Session", "open_session"]

#: Ray makes its folder readable for all users, so it gets one inside of ours.
PREFIX, INNER, TOKEN = "hr-", "r", "token"
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
#: Ray appends up to 61 bytes to this folder's path, and a socket's path has 107 at most.
LONGEST_FOLDER = 40
#: Results are small and data travels as files here; Ray's own share would be a third of the memory.
OBJECT_STORE_BYTES = 100 * 2**20
#: The list of nodes, which changes, is read this often: it costs a call to the head.
NODES_EVERY_S = 1.0


class Session:
    """An open session and its nodes, by id."""

    def __init__(self, *, private: bool, folder: Path | None = None) -> None:
        self.private = private
        self.folder = folder
        self._asked_at = -NODES_EVERY_S
        self._nodes: list[dict[str, Any]] = []
        self._names: dict[str, str] = {}
        self._capacity: dict[tuple[tuple[str, float], ...], int] = {}

    def nodes(self) -> list[dict[str, Any]]:
        """Returns the living nodes, as `ray.nodes` does."""
        if time.monotonic() - self._asked_at >= NODES_EVERY_S:
            self._nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
            self._asked_at = time.monotonic()
            self._names |= _names(self._nodes)
            self._capacity.clear()
        return self._nodes

    def resources(self) -> list[dict[str, float]]:
        """Returns the resources of each living node, by Ray's names."""
        return [node["Resources"] for node in self.nodes()]

    def node_name(self, node_id: str) -> str:
        """Returns a node's name for records: its own or its host's, with the start of its id where several share it."""
        if node_id not in self._names:
            self._asked_at = -NODES_EVERY_S
            self.nodes()
        return self._names.get(node_id, node_id[:12])

    def capacity(self, need: Mapping[str, float]) -> int:
        """Returns how many trials with these resources fit on the living nodes together."""
        nodes, key = self.nodes(), tuple(need.items())
        if key not in self._capacity:
            self._capacity[key] = sum(_room(node, need) for node in nodes)
        return self._capacity[key]

    def with_room(self, need: Mapping[str, float]) -> list[str]:
        """Returns the ids of the living nodes on which such a trial fits."""
        return [node["NodeID"] for node in self.nodes() if _room(node, need)]


def _room(node: Mapping[str, Any], need: Mapping[str, float]) -> int:
    """Returns how many trials fit on a node; Ray counts in ten-thousandths."""
    return int(min(node["Resources"].get(name, 0.0) / amount + 1e-4 for name, amount in need.items()))


def _names(nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    named = {}
    for node in nodes:
        own = node.get("NodeName") or ""
        named[node["NodeID"]] = own if own != node["NodeManagerAddress"] else node["NodeManagerHostname"]
    shared = Counter(named.values())
    return {id_: name if shared[name] == 1 else f"{name}/{id_[:6]}" for id_, name in named.items()}


@contextmanager
def open_session(address: str | None, slots: Sequence[Slot], num_cpus: int, logs: Path) -> Iterator[Session]:
    """Yields the session this process is in, or that of `address`, or else a private one with the devices of `slots`.

    Ray logs into the folder `logs`; after an error it also gets the logs of a private session's processes.

    Raises:
        EngineError: Ray does not start, or nothing answers at `address`.
    """
    with ExitStack() as stack:
        stack.enter_context(_quiet_logs(logs / "driver.log"))
        stack.enter_context(_kept_environment())
        if ray.is_initialized():
            yield Session(private=False)
        elif address not in (None, "local"):
            _init(address=find_head(str(address)))
            stack.callback(ray.shutdown)
            yield Session(private=False)
        else:
            folder = stack.enter_context(_private_folder())
            stack.enter_context(own_token(folder / TOKEN))
            stack.enter_context(_private(slots, num_cpus, folder, logs))
            yield Session(private=True, folder=folder)


@contextmanager
def _private(slots: Sequence[Slot], num_cpus: int, folder: Path, logs: Path) -> Iterator[None]:
    """Starts a head that listens on the loopback address only, and ends it after the block."""
    accelerators = {slot.place.device for slot in slots if slot.place.device != "cpu"}
    environment = _environment(slots)
    # Ray asks this constant which address to bind; its environment variable is read once, when ray is imported.
    cluster, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        with changed_environment(environment), _own_groups():
            _init(
                address="local",
                num_cpus=num_cpus,
                num_gpus=len(accelerators),
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(folder / INNER),
            )
        try:
            if any(node["NodeManagerAddress"] not in ("127.0.0.1", "::1") for node in Session(private=True).nodes()):
                raise EngineError("Ray does not stay on the loopback address; give engine.address of a cluster instead")
            yield
        except Exception:
            _keep_logs(folder, logs)
            raise
        finally:
            ray.shutdown()
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = cluster


@contextmanager
def _own_groups() -> Iterator[None]:
    """Starts Ray's processes of the block in sessions of their own, so that a signal to our process group misses them.

    `timeout` and systemd send such signals. Without a living head we could not end in order: Ray waits a minute for
    it and aborts.
    """
    before = services.ConsolePopen
    services.ConsolePopen = partial(before, start_new_session=True)  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        services.ConsolePopen = before  # type: ignore[misc]


def _init(**options: Any) -> None:
    """Calls `ray.init` without its output; its errors become one line."""
    where, main = options["address"], threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        with changed_environment({"RAY_USAGE_STATS_ENABLED": "0"}):
            ray.init(log_to_driver=False, logging_level=logging.WARNING, logging_format=LOG_FORMAT, **options)
    except (RayError, OSError, RuntimeError, ValueError, TimeoutError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        what = "Ray does not start" if where == "local" else f"engine.address: no Ray cluster answers at '{where}'"
        raise EngineError(f"{what}: {reason[:200]}") from error
    finally:
        if main:  # Ray takes SIGTERM for itself
            signal.signal(signal.SIGTERM, before)


def _environment(slots: Sequence[Slot]) -> dict[str, str]:
    """Returns the environment of a private session's workers: that of the slots, and the import path."""
    shared = dict(slots[0].env) if slots else {}
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"):
        if devices := list(dict.fromkeys(slot.env[name] for slot in slots if name in slot.env)):
            shared[name] = ",".join(devices)
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return shared | {"PYTHONPATH": path, "RAY_CHDIR_TO_TRIAL_DIR": "0"}


@contextmanager
def _quiet_logs(path: Path) -> Iterator[None]:
    """Sends what Ray logs in the block to the file at `path`, created by its first line; nothing is printed."""
    logger = logging.getLogger("ray")
    before = logger.handlers[:], logger.propagate, logger.level
    # Messages of raylets are printed even when `log_to_driver` is off.
    printing, worker._worker_logs_enabled = worker._worker_logs_enabled, False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    handler.addFilter(lambda record: "authentication" not in record.name)  # it only says that there is a token
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        handler.close()
        worker._worker_logs_enabled = printing
        logger.handlers, logger.propagate = before[0], before[1]
        logger.setLevel(before[2])
        with suppress(OSError):
            path.parent.rmdir()


def _keep_logs(folder: Path, logs: Path) -> None:
    """Copies the logs of Ray's processes into the run folder, after an error."""
    with suppress(OSError, shutil.Error):
        shutil.rmtree(logs / "session", ignore_errors=True)
        shutil.copytree(folder / INNER / "session_latest" / "logs", logs / "session", symlinks=True)


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Yields a folder with a short path for Ray's sockets, which only this user can read."""
    parents = [tempfile.gettempdir(), "/tmp", "/dev/shm"]  # noqa: S108
    fitting = [Path(parent) for parent in parents if len(f"{parent}/{PREFIX}12345678/{INNER}") <= LONGEST_FOLDER]
    parent = next((path for path in fitting if path.is_dir() and os.access(path, os.W_OK)), None)
    if parent is None:
        raise EngineError(
            f"Ray needs a temporary folder with a path of at most {LONGEST_FOLDER} characters; set TMPDIR"
        )
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    with watched(folder):
        yield folder


@contextmanager
def _kept_environment() -> Iterator[None]:
    """Removes the environment variables that Ray sets in the block."""
    before = set(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - before:
            if name.startswith("RAY_") or name == "PYTHONBREAKPOINT":
                del os.environ[name]

"""Sessions that the Ray engine starts itself, and what is left of them."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

from harness.engines.ray import tune as ray_tune
from harness.engines.ray.session import INNER, LONGEST_FOLDER, PREFIX, TOKEN
from harness.engines.ray.tune import RayEngine
from harness.errors import HarnessError
from harness.records.rundir import RunFolder
from harness.records.schema import Progress
from harness.search.source import Decision
from harness.testing.engines import COMPLETE, make_slots
from harness.testing.fakes import TRIAL, config, diary
from harness.testing.processes import children, until
from harness.testing.source import FakeSource
from tests.engines.ray.home import ray_home_fixture  # noqa: F401
from tests.engines.ray.test_tune import study

pytestmark = pytest.mark.ray

COORDINATOR = """
import sys
from pathlib import Path
from harness.engines.ray.tune import RayEngine
from harness.records.rundir import RunFolder
from harness.testing.engines import make_slots
from harness.testing.fakes import config
from harness.testing.source import FakeSource
from tests.engines.ray.test_tune import study

run, data = RunFolder(Path(sys.argv[1])), sys.argv[2]
RayEngine(run, study(), make_slots(2)).run(FakeSource([config(0), config(1)]), data, "tests.engines.ray.trials:waits")
"""


def session_folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


def listening() -> dict[str, set[str]]:
    """The addresses at which this process and its children listen, by name of the process."""
    found: dict[str, set[str]] = {}
    for process in [psutil.Process(), *children()]:
        try:
            sockets = process.net_connections(kind="inet")
        except psutil.Error:
            continue
        addresses = {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}
        found.setdefault(process.name(), set()).update(addresses)
    return found


class Watching(FakeSource):
    """Looks around while a trial runs."""

    seen: dict[str, set[str]]
    groups: set[int]
    folder: Path
    modes: tuple[int, int]

    def decide(self, number: int, progress: Progress) -> Decision:
        if number == 0:
            self.seen = listening()
            self.groups = {os.getpgid(child.pid) for child in children() if child not in self.others}
            (self.folder,) = session_folders() - self.before
            self.modes = stat.S_IMODE(self.folder.stat().st_mode), stat.S_IMODE((self.folder / TOKEN).stat().st_mode)
        if number == 10:
            raise OSError("the disk is gone")
        return super().decide(number, progress)

    before: set[Path] = set()
    others: list[psutil.Process] = []


def test_ray_private_session(
    run: RunFolder, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One session for two runs and a broken one: closed to others, silent, gone with processes and files."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ray_tune, "survey", lambda session, run, paths, need: (True, set(paths)))
    # The data are packed, and then nobody sees their folder any more: as on a node with disks of its own.
    packed, hidden = ray_tune.parcels_for, tmp_path / "hidden"

    def pack_and_hide(*arguments: Any) -> Any:
        parcels = packed(*arguments)
        Path(data).rename(hidden)
        return parcels

    (Path(data) / "diary").write_text("packed\n")
    handler, environment = signal.getsignal(signal.SIGTERM), dict(os.environ)
    before = Watching.before = session_folders()
    Watching.others = children()
    source = Watching([config(number) for number in range(4)])
    with pytest.raises(OSError, match="the disk is gone"), RayEngine(run, study(), make_slots(2)) as engine:
        monkeypatch.setattr(ray_tune, "parcels_for", pack_and_hide)
        engine.run(source, data, TRIAL)
        monkeypatch.setattr(ray_tune, "parcels_for", packed)
        hidden.rename(data)
        assert ray.is_initialized()
        again = FakeSource([config(9)])
        engine.run(again, data, TRIAL)
        engine.run(Watching([config(10)]), data, TRIAL)
    assert [record.state for record in (*source.records, *again.records)] == [COMPLETE] * 5
    assert signal.getsignal(signal.SIGTERM) is handler and dict(os.environ) == environment
    addresses = {address for found in source.seen.values() for address in found}
    assert addresses and addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert len(str(source.folder / INNER)) <= LONGEST_FOLDER
    assert source.modes == (0o700, 0o600)
    assert source.groups and os.getpgrp() not in source.groups, "who ends our process group does not end Ray's"
    assert not list(home.iterdir()), "Ray's own token would lie there"
    assert not AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
    assert not ray.is_initialized() and children() == Watching.others
    assert session_folders() == before
    assert list((run.path / "ray" / "logs" / "session").glob("raylet*")), "somebody will want to know"
    (unpacked,) = (tmp_path / "cache" / "ray").glob("[0-9a-f]*")
    starts = diary(str(unpacked), "start")
    assert diary(str(unpacked), "packed") == [[]] and len(starts) == 4
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


@pytest.mark.long
@pytest.mark.kill
def test_ray_coordinator_killed_with_its_session(run: RunFolder, data: str) -> None:
    """All of Ray is gone within seconds, folder and all."""
    before = session_folders()
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, str(run.path), data], env=os.environ | {"PYTHONPATH": path}
    )
    try:
        until(lambda: len(diary(data, "waiting")) == 2)
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) > 4
    finally:
        process.kill()
        process.wait(timeout=20)
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    until(lambda: session_folders() == before)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_ray_port_of_something_else(
    run: RunFolder, data: str, answer: bytes, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)  # else Ray takes another address of this machine
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            server.settimeout(20)
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        served = pool.submit(serve)
        with pytest.raises(HarnessError, match=r"no Ray cluster answers at '.*' \(what listens there is not Ray"):
            RayEngine(run, study(address=address), ()).run(FakeSource([config(0)]), data, TRIAL)
        served.result()
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"^engine.address: no Ray cluster answers at '127.0.0.1:1' \(.*refused"),
        ("auto", r"^engine.address: no Ray cluster answers at 'auto' \("),
        ("nonsense", r"^engine.address: no Ray cluster answers at 'nonsense' \(Invalid address"),
        ("ray://127.0.0.1:10001", r"^engine.address: 'ray://127.0.0.1:10001' is for Ray's client"),
    ],
)
def test_ray_no_cluster_answers(
    run: RunFolder, data: str, address: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    source = FakeSource([config(0)])
    with pytest.raises(HarnessError, match=message):
        RayEngine(run, study(address=address), ()).run(source, data, TRIAL)
    assert source.calls == [], "no trial stands as running"
    assert not ray.is_initialized()
    assert not (run.path / "ray").exists()

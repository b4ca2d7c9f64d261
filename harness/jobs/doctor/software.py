"""Looks at the installation: versions, checkpoints and the Hub, Ray, a browser, the compiled step."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from packaging.version import Version

from harness.data.checkpoints import PACKAGED
from harness.jobs.doctor.finding import Finding
from harness.jobs.doctor.tested import TESTED
from harness.runtime import expanded

__all__ = ["browser", "compiled", "hub", "installed", "ray", "versions"]

DISTRIBUTION = "finetune-harness"
HUB = "https://huggingface.co"
#: The longest wait for the Hub, the look-up of its name included.
HUB_S = 4.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "firefox", "safari", "xdg-open")


def installed(name: str) -> str:
    """Returns the installed version of a package; "" where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def versions() -> Iterator[Finding]:
    """Yields a line for each package that this one needs and that is missing, too old or another than the tested one.

    One line says so where all are as tested. Without metadata (the package is not installed) bounds are not known.
    """
    others = []
    bounds = _bounds()
    for name, tested in TESTED.items():
        found, bound = installed(name), bounds.get(name)
        if not found:
            remedy = f"pip install '{bound or f'{name}=={tested}'}'"
            yield Finding(what="versions", state="stops", text=f"{name} is not installed", remedy=remedy)
        elif bound is not None and not bound.specifier.contains(found, prereleases=True):
            text = f"{name} {found} does not meet {bound.specifier}"
            yield Finding(what="versions", state="stops", text=text, remedy=f"pip install '{name}=={tested}'")
        elif Version(found).release[:2] != Version(tested).release[:2]:
            others.append(f"{name} {found} (tested: {tested})")
    if others:
        remedy = "pip install -c constraints.txt . in the source tree installs the tested ones"
        yield Finding(what="versions", state="note", text=", ".join(others), remedy=remedy)
    else:
        listed = ", ".join(f"{name} {installed(name)}" for name in ("torch", "transformers", "optuna"))
        yield Finding(what="versions", state="ok", text=f"{listed} and others are as tested")


def _bounds() -> dict[str, Requirement]:
    """Returns the requirements of the installed package, without those of its extras."""
    try:
        listed = [Requirement(text) for text in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        return {}
    return {one.name: one for one in listed if one.marker is None or one.marker.evaluate({"extra": ""})}


def hub(timeout_s: float = HUB_S) -> Finding:
    """Says where checkpoints can come from: the Hub, its cache on this machine, installed packages."""
    here = [id_ for id_, packaged in PACKAGED.items() if find_spec(packaged.module) is not None]
    cached = _cached()
    own = f"installed: {', '.join(here) or 'none'}; in the Hub cache: {', '.join(cached) or 'none'}"
    remedy = "" if here or cached else f"{PACKAGED[next(iter(PACKAGED))].install}, or model.checkpoint=FOLDER"
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "TRUE", "YES", "ON"):
        text = f"switched off by HF_HUB_OFFLINE; {own}"
        return Finding(
            what="checkpoints", state="note", text=text, remedy=remedy or "unset HF_HUB_OFFLINE to load more"
        )
    endpoint = os.environ.get("HF_ENDPOINT", HUB)
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    if _answers(proxy or endpoint, timeout_s):
        return Finding(what="checkpoints", state="ok", text=f"{endpoint} answers; {own}")
    text = f"{endpoint} does not answer in {timeout_s:g} s; {own}"
    return Finding(what="checkpoints", state="note", text=text, remedy=remedy or "those that are here work without it")


def _cached() -> list[str]:
    """Returns the models in the Hub's cache, at most five and how many more there are."""
    home = expanded(os.environ.get("HF_HOME", "~/.cache/huggingface"))
    cache = expanded(os.environ.get("HF_HUB_CACHE", home / "hub"))
    names = sorted(path.name.removeprefix("models--").replace("--", "/") for path in cache.glob("models--*"))
    return [*names[:5], *([f"{len(names) - 5} more"] if len(names) > 5 else [])]


def _answers(address: str, timeout_s: float) -> bool:
    """Returns True when a connection can be made in time; a thread that still waits is left behind."""
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connected = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((parts.hostname or "", port), timeout=timeout_s).close()
        except OSError:
            return
        connected.set()

    thread = threading.Thread(target=connect, name="hub", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return connected.is_set()


def ray() -> Finding:
    """Says whether the engine ray can run."""
    found = installed("ray")
    if found:
        return Finding(what="ray", state="ok", text=f"ray {found}; engine=ray can be used")
    return Finding(
        what="ray", state="note", text="not installed: only engine local and inline", remedy="pip install 'ray[tune]'"
    )


def browser() -> Finding:
    """Says whether this machine can show the report, which is one file."""
    found = next((name for name in BROWSERS if shutil.which(name)), "")
    if found:
        return Finding(what="browser", state="ok", text=f"{found} can show reports")
    remedy = "copy reports/STUDY/index.html to a machine that has one; it is one file and needs no network"
    return Finding(what="browser", state="note", text="none found", remedy=remedy)


def compiled() -> Finding:
    """Says whether the optimiser's step is compiled."""
    if find_spec("harness.training.fast._one_pass") is not None:
        return Finding(what="compiled step", state="ok", text="AdamW in one pass over memory, on CPUs")
    remedy = "install a C compiler, then install the package again; training gives the same without it"
    return Finding(what="compiled step", state="note", text="not built: steps on CPUs take longer", remedy=remedy)

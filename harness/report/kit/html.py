"""Renders figures and texts to one self-contained HTML file that makes no request to any host.

All text goes through the template's autoescape; the only raw parts are our own style and scripts, and JSON in which no
tag can end. A content security policy allows exactly those scripts, by their hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.records.files import write_text
from harness.report.kit.figures import COLORS, DARK, DARK_RAMP, RAMP, Figure
from harness.report.kit.text import clip

__all__ = ["render", "save_document"]

_LONGEST_CELL = 60
"""Most characters of a name in a table cell; the whole name is the cell's title."""


def save_document(path: Path, text: str) -> Path:
    """Writes a page or a summary atomically, makes its folder where that is missing, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, text)


def render(template: str, figures: Iterable[Figure], data: dict[str, Any], **fields: Any) -> str:
    """Returns the page as HTML; `data` is passed to the page's script beside the figures."""
    scripts = {"plotly": _plotly(), "page": _asset("page.js")}
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts.values())
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    drawn = {figure.key: {"data": figure.data, "layout": figure.layout} for figure in figures}
    palette = {COLORS[name]: DARK[name] for name in COLORS} | dict(zip(RAMP, DARK_RAMP, strict=True))
    return (
        _environment()
        .get_template(template)
        .render(
            policy=policy,
            style=Markup(_asset("style.css")),  # noqa: S704
            scripts={name: Markup(script) for name, script in scripts.items()},  # noqa: S704
            data=_json({"figures": drawn, "dark": palette, **data}),
            **fields,
        )
    )


@cache
def _environment() -> Environment:
    loader = PackageLoader("harness.report.kit", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["clip"] = clip
    environment.globals["longest_cell"] = _LONGEST_CELL
    return environment


@cache
def _asset(name: str) -> str:
    return files("harness.report.kit").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    # A browser would end the script there; it normalises \r, which would change the hash.
    if "</script" in source.lower() or "<!--" in source or "\r" in source:
        raise RuntimeError("this version of plotly.js cannot stand inside a page")
    return source


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _json(value: Any) -> Markup:
    """JSON for a script element, escaped so that no tag can start or end in it."""
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(safe)  # noqa: S704


def _plain(value: Any) -> Any:
    """The value with floats rounded to six significant digits, which keeps the page small, and null for NaN."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value

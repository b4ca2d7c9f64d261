"""The studies that come with the package, by name.

A wheel holds them inside the package, as `harness/studies`; in a checkout they lie beside it, as `studies`.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["bundled_studies", "find_study"]

PACKAGE = Path(__file__).resolve().parents[1]


def bundled_studies(package: Path = PACKAGE) -> dict[str, Path]:
    """Returns the files of the studies that come with the package, by name (`quickstart`)."""
    inside = package / "studies"
    folder = inside if inside.is_dir() else package.parent / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_study(given: Path) -> Path:
    """Returns the file of a bundled study where `given` is its name and no file is called so, else `given` itself."""
    bundled = bundled_studies().get(str(given))
    return given if bundled is None or given.is_file() else bundled

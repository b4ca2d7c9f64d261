"""The studies that come with the package, by name.

A wheel has them in the package, as `harness/studies`; a checkout has them beside it, as `studies`.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["bundled_studies", "find_study"]

PACKAGE = Path(__file__).resolve().parents[1]


def bundled_studies(package: Path = PACKAGE) -> dict[str, Path]:
    """Returns the files of the studies that come with the package, by name (`quickstart`)."""
    in_package = package / "studies"
    folder = in_package if in_package.is_dir() else package.parent / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_study(path: Path) -> Path:
    """Returns the file of the bundled study named `path` if there is one and no file has that name, else `path`."""
    bundled = bundled_studies().get(str(path))
    return path if bundled is None or path.is_file() else bundled

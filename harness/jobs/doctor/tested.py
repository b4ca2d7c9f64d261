"""The versions that the tests were run with, of the packages that this one needs."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TESTED"]

#: By the package's name, as constraints.txt pins them, which an installed package does not have; a test compares both.
TESTED: Mapping[str, str] = {
    "charset-normalizer": "3.5.2",
    "cmaes": "0.13.1",
    "jinja2": "3.1.6",
    "numpy": "2.4.6",
    "optuna": "5.0.0",
    "packaging": "26.3",
    "pandas": "3.1.1",
    "plotly": "7.1.0",
    "psutil": "7.2.2",
    "pyarrow": "26.0.1",
    "pydantic": "2.14.3",
    "pyyaml": "6.0.3",
    "ray": "2.60.0",
    "rich": "15.0.0",
    "safetensors": "0.8.0",
    "scikit-learn": "1.9.1",
    "scipy": "1.17.1",
    "tokenizers": "0.23.3",
    "torch": "2.13.0",
    "transformers": "5.23.0",
    "typer": "0.29.2",
}

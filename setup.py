"""What pyproject.toml cannot say: the studies at the top of the tree are a folder of the installed package."""

from __future__ import annotations

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["harness", "harness.*"]), "harness.studies"],
    package_dir={"harness.studies": "studies"},
)

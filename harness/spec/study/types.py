"""Types that sections of a study file share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

__all__ = ["NAME_PATTERN", "Count", "Epochs", "Fraction", "Name", "NotNegative", "Positive", "Seed", "Share", "Text"]

NAME_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"

Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Epochs = Annotated[float, Field(gt=0, le=10_000)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Text = Annotated[str, Field(min_length=1)]

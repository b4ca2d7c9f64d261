"""The section about checkpoints: the best configuration of each, with score, rank, speed, size and cost."""

from harness.report.study.checkpoints.candidates import Candidate, candidates
from harness.report.study.checkpoints.choices import checkpoint_choices
from harness.report.study.checkpoints.section import checkpoints_section

__all__ = ["Candidate", "candidates", "checkpoint_choices", "checkpoints_section"]

"""The parts of question answering: windows of texts, the choice of an answer, when none is given, and baselines."""

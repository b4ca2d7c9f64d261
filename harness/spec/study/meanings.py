"""What the names mean that keys of a study choose from, for the reference of the study file (docs/study.md)."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["MEANINGS"]

#: By the full key, for each name that it allows. A test compares the names with those of the schema.
MEANINGS: Mapping[str, Mapping[str, str]] = {
    "search.sampler": {
        "tpe": "models which params good trials have (Bergstra et al. 2011); starts with a Sobol sequence",
        "gp": "models the objective by a Gaussian process over the params; starts with a Sobol sequence",
        "random": "independent draws",
        "grid": "every combination of the listed values, in order; ranges need a step",
        "qmc": "a Sobol sequence: covers the space more evenly than random draws",
        "cmaes": "an evolution strategy for numbers; one objective only",
        "nsga2": "a genetic algorithm for several objectives",
    },
    "search.pruner.name": {
        "rungs": "successive halving, breadth first: all trials reach a rung before the best go on",
        "asha": "successive halving without waiting for the other trials",
        "hyperband": "successive halving in several brackets, which begin at different rungs",
        "median": "at each quarter of the training, a trial below the median of those before it is stopped",
        "none": "every trial is trained to its end",
        "ray-asha": "Ray's own asynchronous halving; with engine ray only",
        "ray-hyperband": "Ray's own Hyperband; with engine ray only",
        "ray-pbt": "Ray's population based training, which changes params in mid-training; with engine ray and "
        "confirm: null only",
    },
    "data.preprocess": {
        "nfkc": "Unicode's compatibility form: full-width letters, ligatures and the like become plain ones",
        "lowercase": "capital letters become small ones",
        "strip_punctuation": "punctuation becomes a space; apostrophes inside words stay",
        "remove_stop_words": "function words of English and Chinese are left out; words of negation stay",
        "collapse_whitespace": "white space becomes one space, and none at the ends",
    },
    "data.augment": {
        "delete": "the copy lacks a tenth of the words, chosen at random (characters in Chinese and Japanese)",
        "swap": "the copy has a tenth of its words swapped with others, at random",
    },
}

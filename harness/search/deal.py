"""Creates new trials: equally many for each compared checkpoint, in turn, until the total or the space is used up."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records.store import StoredTrial, TrialStore
from harness.search.axes import Params
from harness.search.propose import Proposal, Proposer
from harness.spec.configure import arms, resolve
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig

__all__ = ["Dealer"]

#: Study attribute: the arms in whose space the sampler finds no new params.
EXHAUSTED = "exhausted"


class Dealer:
    """Asks the sampler for params and creates trials from them in the study."""

    def __init__(
        self,
        spec: StudySpec,
        store: TrialStore,
        stored: Sequence[StoredTrial],
        num_train_rows: int | None = None,
        proposer: Proposer | None = None,
        found_before: Sequence[Params] = (),
    ) -> None:
        self.proposer = proposer or Proposer(spec, stored, num_train_rows, found_before)
        self._num_train_rows = num_train_rows
        self.exhausted: set[int] = set(store.get(EXHAUSTED, []))
        self._spec, self._store = spec, store
        self._arms = arms(spec)
        self._number = len(stored)
        self._dealt = [0] * len(self._arms)
        for trial in stored:
            self._dealt[Proposer.arm_of(trial)] += 1

    def share(self, arm: int) -> int:
        """Returns how many trials the arm will have in all, as far as is known."""
        if arm in self.exhausted:
            return self._dealt[arm]
        return max(self._dealt[arm], len(range(arm, self._spec.search.trials, len(self._arms))))

    @property
    def done(self) -> bool:
        """True when every arm has all its trials, as far as is known."""
        return all(dealt >= self.share(arm) for arm, dealt in enumerate(self._dealt))

    def deal(self) -> tuple[TrialConfig, int] | None:
        """Creates a trial and returns it with its arm; None when there are no more."""
        while self._number < self._spec.search.trials:
            open_arms = [arm for arm in range(len(self._arms)) if self._dealt[arm] < self.share(arm)]
            if not open_arms:
                return None
            arm = min(open_arms, key=lambda index: (self._dealt[index], index))
            proposal = self.proposer.ask(self._number, arm)
            if proposal is not None:
                return self._create(proposal, arm), arm
            self.exhausted.add(arm)
            self._store.set(EXHAUSTED, sorted(self.exhausted))
        return None

    def _create(self, proposal: Proposal, arm: int) -> TrialConfig:
        config = resolve(
            self._spec,
            number=self._number,
            params=proposal.params,
            arm=self._arms[arm],
            num_train_rows=self._num_train_rows,
        )
        self._store.create(
            config,
            values=proposal.values,
            distributions=proposal.distributions,
            system_attrs=proposal.system_attrs,
        )
        self._number += 1
        self._dealt[arm] += 1
        return config

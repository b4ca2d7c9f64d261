"""The dispatcher over a card with memory, and over cores, where nothing is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.engines.admission import Admission
from harness.engines.dispatch import Dispatcher
from harness.engines.messages import Release
from harness.machine.slots import Slot
from harness.records.rundir import RunFolder
from harness.spec.trial import TrialConfig
from harness.testing.engines import COMPLETE, FAIL, PRUNED
from harness.testing.source import FakeSource
from tests.engines.card import GIB, Card, make_card, sized

SMALL, LARGE = 2, 16


def dispatch(run: RunFolder, source: FakeSource, slots: Sequence[Slot], **options: Any) -> Card:
    card = Card(slots, **options)
    Dispatcher(source, run, card, admission=Admission(slots)).run()
    return card


def trials(*gib: int) -> list[TrialConfig]:
    return [sized(number, each) for number, each in enumerate(gib)]


@pytest.mark.parametrize("seed", range(8))
def test_dispatch_two_large_trials_never_together_and_small_ones_fill_in(run: RunFolder, seed: int) -> None:
    """The first is known to be large before the second is asked for; all of them would take 64 of 32 GiB."""
    sizes = [SMALL] * 4 + [LARGE, SMALL, SMALL, LARGE] * 3
    source = FakeSource(trials(*sizes))
    card = dispatch(run, source, make_card(32), seed=seed)
    assert [record.state for record in source.records] == [COMPLETE] * len(sizes)
    large = {number for number, gib in enumerate(sizes) if gib == LARGE}
    assert max(len(large.intersection(running)) for running in card.together) == 1
    assert any(large.intersection(running) and len(running) == 4 for running in card.together), "small ones fill in"
    assert card.most <= 32 * GIB


@pytest.mark.parametrize("seed", range(8))
def test_dispatch_large_trial_does_not_starve(run: RunFolder, seed: int) -> None:
    sizes = [SMALL] * 4 + [30] + [SMALL] * 40
    source = FakeSource(trials(*sizes))
    card = dispatch(run, source, make_card(32), seed=seed)
    assert [record.state for record in source.records] == [COMPLETE] * len(sizes)
    assert [4] in card.together and card.begun.index(4) <= 4 + 2 * 4 + 3
    assert not any(4 in running and len(running) > 1 for running in card.together)


def test_dispatch_goes_on_when_the_trial_that_it_waits_for_is_dropped(run: RunFolder) -> None:
    class Dropping(FakeSource):
        """Trial 4 is refused until it is dropped, when eight others have passed and the last of them is on its way."""

        def dropped(self) -> list[int]:
            return [4] if len(self.records) == 11 and 4 not in self.by_number else []

    source = Dropping(trials(*[SMALL] * 4, 30, *[SMALL] * 20))
    card = dispatch(run, source, make_card(32))
    assert 4 not in card.begun and source.by_number[4].state is PRUNED
    assert [record.state for record in source.records].count(COMPLETE) == 24


@pytest.mark.parametrize("seed", range(8))
def test_dispatch_what_stands_is_counted(run: RunFolder, seed: int) -> None:
    """Twelve trials stand at the first rung, a GiB or four each; those that go on do so beside them."""
    sizes = [4, 4, 4, 4, 16, 4, 4, 16, 4, 4, 16, 4]
    source = FakeSource(trials(*sizes), pause_at=2, top=6)
    card = dispatch(run, source, make_card(48), seed=seed)
    states = [record.state for record in source.records]
    assert states.count(COMPLETE) == 6 and states.count(PRUNED) == 6
    assert card.most <= 48 * GIB


def test_dispatch_what_a_process_has_cached_is_given_back(run: RunFolder) -> None:
    """Every time that a trial pauses or ends, and never where a slot has a device of its own."""
    source = FakeSource(trials(SMALL, SMALL, LARGE), pause_at=2, top=1)
    card = dispatch(run, source, make_card(32, slots=2))
    assert sum(isinstance(command, Release) for _, command in card.sent) == 3 + 1
    card = dispatch(run, FakeSource(trials(SMALL, SMALL, LARGE)), make_card(32, slots=1))
    assert not any(isinstance(command, Release) for _, command in card.sent)


def test_dispatch_trial_out_of_memory_teaches(run: RunFolder) -> None:
    """The first large trial breaks beside others, though it had seemed to fit: those like it run alone after that."""
    sizes = [SMALL, SMALL, SMALL, SMALL, 8, SMALL, SMALL, 8, SMALL, 8]
    source = FakeSource(trials(*sizes))
    card = dispatch(run, source, make_card(32), seed=0, break_at=lambda number, step: number == 4)
    assert source.by_number[4].state is FAIL
    assert [source.by_number[number].state for number in (7, 9)] == [COMPLETE] * 2
    assert any(4 in running and len(running) == 4 for running in card.together)
    assert {number: max(each for each in card.together if number in each) for number in (7, 9)} == {7: [7], 9: [9]}


ORDER = (
    "next 0|next 1|next 2|decide 0 2|decide 1 2|decide 2 2|decide 0 4|next 3|decide 1 4|next 4|decide 2 4|next 5|"
    "decide 3 2|decide 4 2|decide 5 2|decide 3 4|next None|decide 4 4|next None|decide 5 4|end 0 PRUNED None|"
    "end 1 PRUNED None|end 2 PRUNED None|end 3 PRUNED None|next 5|next 4|next None|decide 5 8|keep 5|next None|"
    "end 5 COMPLETE None|next None|decide 4 8|keep 4|next None|end 4 COMPLETE None|next None"
)
SENT = (
    "0 Start|1 Start|2 Start|0 Go|1 Go|2 Go|0 Start|1 Start|2 Start|0 Go|1 Go|2 Go|0 Drop|1 Drop|2 Drop|0 Drop|"
    "2 Go|1 Go|2 Finish|1 Finish"
)


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_dispatch_order_of_calls_where_nothing_is_refused(run: RunFolder, device: str) -> None:
    """On cores whatever trials take, and on a card that has room for all: the calls of before there was admission."""
    source = FakeSource(trials(16, 2, 16, 2, 16, 2), pause_at=4, top=2)
    card = dispatch(run, source, make_card(32 if device == "cpu" else 320, slots=3, device=device))
    assert [call.rpartition(" ")[0] if call.startswith("decide") else call for call in source.calls] == ORDER.split("|")
    sent = [f"{slot} {type(command).__name__}" for slot, command in card.sent]
    assert [each for each in sent if not each.endswith("Release")] == SENT.split("|")
    assert (len(sent) > len(SENT.split("|"))) == (device != "cpu")

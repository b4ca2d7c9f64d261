from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from harness.data.splits.order import ranks_in_order
from harness.errors import DataError


@pytest.mark.parametrize(
    ("values", "ranks", "kind"),
    [
        (["10", "9", " 9.0", "1e3"], [1, 0, 0, 2], "numbers"),
        ([3, 1.5, Decimal("2.5")], [2, 0, 1], "numbers"),
        (["2024-02-01", "2023-12-31T23:00:00", "2024-01-01 10:00"], [2, 0, 1], "dates"),
        (["2023-10-02", "2023-1-5", "2023-2-11"], [2, 0, 1], "dates"),
        (["2023-1-5 14:05", "2023-1-5 9:05:10", "2023-1-5"], [2, 1, 0], "dates"),
        (["2023-1-5T9:05:00Z", "2023-10-02", "2023/2/11", "2023.12.1"], [0, 2, 1, 3], "dates"),
        (["2023\u5e7412\u67081\u65e5", "2023\u5e742\u670811\u65e5"], [1, 0], "dates"),
        ([date(2024, 2, 1), datetime(2024, 1, 1, tzinfo=UTC)], [1, 0], "dates"),
        (["31/01/2024", "01/02/2024", "03/12/2023"], [1, 2, 0], "dates"),
        (["12/31/2023", "1/2/2024"], [0, 1], "dates"),
        (["2 Feb 2024", "10 Jan 2024"], [1, 0], "dates"),
        (["Mon Jun 01 10:00:00 +0000 2009", "Sun May 31 23:00:00 +0000 2009"], [1, 0], "dates"),
        (["Nov 2023", "Jan 2024", "Oct 2023"], [1, 2, 0], "dates"),
        (["11/2023", "01/2024"], [0, 1], "dates"),
        (["week 10", "week 02"], [1, 0], "texts in alphabetical order"),
        (["2023 Q1", "2022 Q4"], [1, 0], "texts in alphabetical order"),
        (["b", "a", "10"], [2, 1, 0], "texts in alphabetical order"),
        (["b", None, "a", ""], [1, -1, 0, -1], "texts in alphabetical order"),
    ],
)
def test_ranks_in_order(values: list[object], ranks: list[int], kind: str) -> None:
    assert (ranks_in_order("when", values)[0].tolist(), ranks_in_order("when", values)[1]) == (ranks, kind)


def test_ranks_in_order_refuses_dates_that_can_be_read_in_two_orders() -> None:
    with pytest.raises(DataError, match="in '03/04/2024' and all other dates, the first number"):
        ranks_in_order("when", ["03/04/2024", "04/03/2024"])
    assert ranks_in_order("when", ["03/04/2024", "05/06/2024"])[0].tolist() == [0, 1]  # both orders are the same


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["12/31/2023", "1/2/2024", "unknown", "1/3/2024"], "'unknown' is no date as '12/31/2023' is"),
        (["2024-01-02", "unknown", "2024-01-03"], "'unknown' is no date as '2024-01-02' is"),
        (["2023-1-5", "2023-10-02", "2023-2-30"], "'2023-2-30' is no date as '2023-1-5' is"),
        (["2023-1-5", "2023-10-02", "2023-2"], "'2023-2' is no date as '2023-1-5' is"),
        (["900", "1,200", "1000"], "'1,200' is no number as '900' is"),
        (["1,200", "900,000", "90,000"], "'1,200' is neither a number nor a date"),
        (["Q4 2023", "Q1 2024"], "'Q4 2023' is neither a number nor a date"),
        (["week 10", "week 9", "week 8"], "'week 10' is neither a number nor a date"),
    ],
)
def test_ranks_in_order_refuses_what_alphabetical_order_would_put_wrongly(values: list[str], said: str) -> None:
    with pytest.raises(DataError) as caught:
        ranks_in_order("when", values)
    assert said in str(caught.value)

"""Whether sending may go on."""

from __future__ import annotations

from link.permission import Permission


class Asked:
    """Answers in turn, each after so many seconds of a clock of its own."""

    def __init__(self, *answers: tuple[bool, float]) -> None:
        self.left = list(answers)
        self.now = 0.0

    async def __call__(self) -> bool:
        answer, takes = self.left.pop(0)
        self.now += takes
        return answer

    def clock(self) -> float:
        return self.now


async def test_it_is_asked_for_five_times_a_second_and_a_no_is_final() -> None:
    asked = Asked((True, 0.0), (False, 0.0), (True, 0.0))
    permission = Permission(asked, asked.clock)
    assert await permission.holds()
    asked.now += 0.1
    assert await permission.holds()
    asked.now += 0.1
    assert not await permission.holds()
    asked.now += 10
    assert not await permission.holds()
    assert asked.left == [(True, 0.0)]


async def test_a_late_yes_is_asked_for_again() -> None:
    asked = Asked((True, 0.6), (True, 0.1))
    assert await Permission(asked, asked.clock).holds()
    assert asked.left == []


async def test_where_every_answer_is_late_nothing_may_leave() -> None:
    asked = Asked(*[(True, 0.6)] * 3)
    assert not await Permission(asked, asked.clock).holds()
    asked = Asked((True, 0.6), (False, 0.6))
    assert not await Permission(asked, asked.clock).holds()


async def test_without_anybody_to_ask_it_holds() -> None:
    assert await Permission(None, lambda: 0.0).holds()

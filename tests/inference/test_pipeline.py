"""Three stages at once: order, bounds, and one clean way to fail."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from reskin.inference.pipeline import pipeline


class FailureError(Exception):
    """What the test breaks a stage with."""


@pytest.fixture(autouse=True)
def _nothing_stays_behind() -> Iterator[None]:
    """Every test leaves no thread."""
    before = set(threading.enumerate())  # one of a test before may still be ending
    yield
    assert set(threading.enumerate()) <= before


def endless() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def test_results_are_written_in_order_for_every_length() -> None:
    for length in range(12):
        written: list[int] = []
        pipeline(range(length), lambda number: number * 3, sink=written.append, ahead=2)
        assert written == [3 * number for number in range(length)]


def test_the_work_stays_in_the_callers_thread_and_the_rest_does_not() -> None:
    seen: dict[str, threading.Thread] = {}

    def read() -> Iterator[int]:
        seen["read"] = threading.current_thread()
        yield 1

    pipeline(
        read(),
        lambda _: seen.setdefault("work", threading.current_thread()),
        sink=lambda _: seen.setdefault("write", threading.current_thread()),
    )
    assert seen["work"] == threading.current_thread()
    assert len(set(seen.values())) == 3


def test_stages_run_at_the_same_time() -> None:
    meeting = threading.Barrier(4, timeout=60)  # breaks, and so fails, unless all four are in it at once
    last = 20

    def meet(number: int, first: int) -> int:
        if first <= number < first + last - 3:
            meeting.wait()
        return number

    # In round r item r + 3 is read while r + 2, r + 1 and r are in the stages behind.
    source = (meet(number, 3) for number in range(last))
    pipeline(
        source,
        lambda number: meet(number, 2),
        lambda number: meet(number, 1),
        sink=lambda number: meet(number, 0),
        ahead=1,
    )


def test_any_number_of_stages_passes_every_item_on() -> None:
    for count in range(5):
        written: list[int] = []
        adds = [lambda number, by=by: number + 10**by for by in range(count)]
        pipeline(range(7), *adds, sink=written.append, ahead=1)
        assert written == [number + sum(10**by for by in range(count)) for number in range(7)]


def note(seen: dict[int, threading.Thread], at: int) -> None:
    seen[at] = threading.current_thread()


def test_the_first_stage_is_the_one_in_the_callers_thread() -> None:
    seen: dict[int, threading.Thread] = {}
    stages = [lambda _, at=at: note(seen, at) for at in range(3)]
    pipeline([0], *stages, sink=lambda _: None)
    assert [at for at, thread in seen.items() if thread is threading.current_thread()] == [0]
    assert len(set(seen.values())) == 3


@pytest.mark.parametrize("slowest", ["work", "write"])
def test_a_slow_stage_holds_back_those_before_it(slowest: str) -> None:
    read, written, most = 0, 0, 0

    def items() -> Iterator[int]:
        nonlocal read
        for number in range(40):
            read += 1
            yield number

    def work(number: int) -> int:
        if slowest == "work":
            time.sleep(0.002)
        return number

    def write(_: int) -> None:
        nonlocal written, most
        if slowest == "write":
            time.sleep(0.002)
        most = max(most, read - written)
        written += 1

    pipeline(items(), work, sink=write, ahead=3)
    assert written == 40
    assert most <= 3 + 3 + 3  # two queues, and one item in the hands of each stage


@pytest.mark.parametrize("kind", [FailureError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("stage", ["read", "work", "second", "write"])
@pytest.mark.parametrize("at", [0, 7])
@pytest.mark.thinned(2, first=1)
def test_the_first_failure_stops_all_stages_and_surfaces(
    kind: type[BaseException], stage: str, at: int
) -> None:
    def fail(where: str, number: int) -> int:
        if where == stage and number == at:
            raise kind(f"{stage} {at}")
        return number

    source = (fail("read", number) for number in endless())
    with pytest.raises(kind, match=f"^{stage} {at}$"):
        pipeline(
            source,
            lambda number: fail("work", number),
            lambda number: fail("second", number),
            sink=lambda number: fail("write", number),
            ahead=2,
        )


def test_a_failure_is_not_hidden_by_those_it_causes() -> None:
    writers: list[threading.Thread] = []
    writes = threading.Event()

    def write(_: int) -> None:
        writers.append(threading.current_thread())
        writes.set()
        raise FailureError("first")

    def read() -> Iterator[int]:
        yield 0
        assert writes.wait(60)
        writers[0].join()  # ends when it has said why
        raise ValueError("second")

    with pytest.raises(FailureError, match="first"):
        pipeline(read(), lambda number: number, sink=write)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timer signals")
@pytest.mark.parametrize("stuck", ["read", "write"])
def test_ctrl_c_arrives_while_the_work_waits(stuck: str) -> None:
    stopped = threading.Event()

    def interrupt(*_: object) -> None:
        stopped.set()
        raise KeyboardInterrupt

    def read() -> Iterator[int]:
        yield 0
        if stuck == "read":
            stopped.wait(60)
        yield from range(100)

    def write(_: int) -> None:
        if stuck == "write":
            stopped.wait(60)

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            pipeline(read(), lambda number: number, sink=write, ahead=1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert stopped.is_set()


def test_the_part_that_works_longest_is_known() -> None:
    """By what is done, not by the clock: only the stage takes time."""
    clock = [0.0]

    def stage(number: int) -> int:
        clock[0] += 4
        return number

    busy: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reskin.inference.pipeline.time.perf_counter", lambda: clock[0])
        pipeline(range(3), stage, sink=lambda _: None, ahead=1, busy=busy)
    assert len(busy) == 3 and busy[1] == 12 == max(busy)

"""Calls of pairmill.Feed that go wrong, are interrupted, or must agree between ranks; prints "right".

    feed_calls.py ADDRESS FOLDER

ADDRESS is of a feed of 60 pairs; FOLDER is for a socket that nobody answers at.
"""
import gc
import json
import os
import signal
import socket
import sys
import threading

import pairmill


def raised(error, **arguments):
    """The sentence of the error that a Feed of these arguments raises."""
    try:
        pairmill.Feed(ADDRESS, **arguments).close()
    except error as problem:
        return str(problem)
    raise AssertionError(f"Feed({arguments}) raised no {error.__name__}")


def check_ranges():
    """Each is out of its range, and none may be cut to one within it."""
    for name, most, wrong in [
        ("rank", 0, (-1, 1, 2**32)),
        ("world", 2**20, (-1, 0, 2**20 + 1, 2**32 + 1)),
        ("epoch", 2**32 - 1, (-1, 2**32)),
        ("seed", 2**64 - 1, (-1, 2**64, 2**64 + 5)),
        ("start", 2**64 - 1, (-1, 2**64, 2**64 + 5)),
        ("batch_size", 65536, (-1, 0, 65537, 2**32 + 8)),
        ("credit", 64, (-1, 0, 65, 2**32 + 8)),
    ]:
        for value in wrong:
            sentence = raised(ValueError, **{name: value})
            assert f"{name} is {value};" in sentence and f"to {most}" in sentence, sentence
        assert name in raised(TypeError, **{name: 1.5})
    assert "start is 18446744073709551615" in raised(pairmill.Error, start=2**64 - 1, rank=1, world=3)


def check_wrong_name():
    """An argument that there is not: a TypeError, and nothing more when the object goes."""
    more = []
    sys.unraisablehook = more.append
    raised(TypeError, bogus=1)
    gc.collect()
    sys.unraisablehook = sys.__unraisablehook__
    assert not more, more


def lengths(world, **arguments):
    """Batches of each rank, counted; they are as many as len() says."""
    counted = []
    for rank in range(world):
        with pairmill.Feed(ADDRESS, rank=rank, world=world, drop_last=True, **arguments) as feed:
            said = len(feed)
            counted.append(sum(1 for _ in feed))
        assert counted[-1] == said, (counted, said)
    return counted


def check_drop_last():
    options = {"task_block": 16}
    counted = lengths(3, batch_size=2, options=options)
    assert len(set(counted)) == 1 and counted[0] >= 9, counted
    sentence = raised(pairmill.Error, rank=0, world=3, drop_last=True, options={"task_block": 2})
    assert "task_block" in sentence, sentence


def check_state():
    """It can be stored; a task_block that was not given stays behind, one that was goes along."""
    for options in ({}, {"task_block": 6}):
        with pairmill.Feed(ADDRESS, world=3, batch_size=2, options=options) as feed:
            for _ in range(3):
                next(feed)
            state = json.loads(json.dumps(feed.state))
        assert state["start"] == 18 and state["options"] == options, state
        for world in (2, 4, 5):
            counted = lengths(world, batch_size=2, **state)
            assert len(set(counted)) == 1 and counted[0] > 0, (world, counted)


def check_interrupt(folder):
    """Ctrl-C ends the wait for a feed that does not answer, long before its timeout."""
    address = os.path.join(folder, "silent")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    kept = []

    def interrupt():
        kept.append(listener.accept())
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    try:
        pairmill.Feed("ipc://" + address, timeout=100000)
        raise AssertionError("a feed that does not answer was opened")
    except KeyboardInterrupt:
        pass
    thread.join()


ADDRESS = sys.argv[1]
check_ranges()
check_wrong_name()
check_drop_last()
check_state()
check_interrupt(sys.argv[2])
print("right")

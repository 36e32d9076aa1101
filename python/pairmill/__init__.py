"""Pretraining batches from a pairmill feed, as numpy arrays or torch tensors.

    import pairmill

    for epoch in range(10):
        with pairmill.Feed("tcp://127.0.0.1:7400", rank=rank, world=world, seed=1, epoch=epoch) as feed:
            for batch in feed:          # len(feed) batches
                loss = model(batch, task=batch.task)
                checkpoint(feed.state)  # Feed(address, rank=..., world=..., **state) goes on from there

A feed is one rank's share of one epoch.  The epoch's order is a pure function of (seed, epoch):
all ranks together get each pair exactly once, the same for every number of ranks, and any position
can be resumed.  Receiving and decoding happen on a native thread, two batches ahead, so no
DataLoader is needed; its worker processes would only copy.  Open a Feed in the process that uses
it, after any fork.

Needs numpy, and libpairmill.so: looked for in $PAIRMILL_LIBRARY, in the source tree's build folder,
and where the system's loader looks.
"""

import ctypes
import itertools
import operator
import os
import pathlib

import numpy as np

__all__ = ["Batch", "Error", "Feed", "tasks"]

_ABI = 3
_WAIT_SECONDS = 0.2  # between looks at Ctrl-C
_WORLD_MAX = 2**20  # these three: as the library has them
_BATCH_SIZE_MAX = 65536
_CREDIT_MAX = 64


class Error(RuntimeError):
    """What pairmill says went wrong; `code` is its stable name, for example "E_TIMEOUT"."""

    def __init__(self, code, sentence):
        super().__init__(f"{sentence} ({code})")
        self.code = code


class _Options(ctypes.Structure):
    _fields_ = [
        ("address", ctypes.c_char_p),
        ("recipe", ctypes.c_char_p),
        ("options", ctypes.c_char_p),
        ("seed", ctypes.c_uint64),
        ("start", ctypes.c_uint64),
        ("epoch", ctypes.c_uint32),
        ("rank", ctypes.c_uint32),
        ("world", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
        ("drop_last", ctypes.c_uint32),
        ("credit", ctypes.c_uint32),
        ("timeout_s", ctypes.c_double),
    ]


class _Array(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("dtype", ctypes.c_char_p),
        ("dimensions", ctypes.c_uint32),
        ("shape", ctypes.c_uint64 * 3),
        ("data", ctypes.c_void_p),
    ]


class _Batch(ctypes.Structure):
    _fields_ = [
        ("task", ctypes.c_char_p),
        ("epoch", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("position", ctypes.c_uint64),
        ("next", ctypes.c_uint64),
        ("pair_ids", ctypes.c_void_p),
        ("medium_ids", ctypes.c_void_p),
        ("array_count", ctypes.c_uint32),
        ("arrays", _Array * 16),
    ]


def _library_paths():
    if "PAIRMILL_LIBRARY" in os.environ:
        yield os.environ["PAIRMILL_LIBRARY"]
        return
    build = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "libpairmill.so"
    if build.exists():
        yield str(build)
    yield "libpairmill.so"


def _load():
    problems = []
    for path in _library_paths():
        try:
            lib = ctypes.CDLL(path)
            break
        except OSError as problem:
            problems.append(str(problem))
    else:
        raise ImportError(
            "libpairmill.so cannot be loaded; build it with `make` or set PAIRMILL_LIBRARY: "
            + "; ".join(problems)
        )
    if lib.pairmill_abi() != _ABI:
        raise ImportError(
            f"{path} has interface {lib.pairmill_abi()}, this package needs {_ABI}: "
            "install both from the same pairmill"
        )
    feed = ctypes.c_void_p
    lib.pairmill_default_options.restype = _Options
    lib.pairmill_feed_begin.argtypes = [ctypes.POINTER(_Options), ctypes.POINTER(feed)]
    lib.pairmill_feed_welcome.argtypes = [feed, ctypes.c_double]
    lib.pairmill_feed_close.argtypes = [feed]
    lib.pairmill_feed_close.restype = None
    lib.pairmill_feed_wait.argtypes = [feed, ctypes.c_double]
    lib.pairmill_feed_next.argtypes = [feed, ctypes.POINTER(ctypes.POINTER(_Batch))]
    lib.pairmill_batch_release.argtypes = [ctypes.POINTER(_Batch)]
    lib.pairmill_batch_release.restype = None
    for count in (lib.pairmill_feed_total, lib.pairmill_feed_batches):
        count.argtypes = [feed]
        count.restype = ctypes.c_uint64
    lib.pairmill_recipe_task.argtypes = [ctypes.c_char_p, ctypes.c_uint32]
    lib.pairmill_recipe_task.restype = ctypes.c_char_p
    lib.pairmill_error.restype = ctypes.c_char_p
    lib.pairmill_error_name.argtypes = [ctypes.c_int]
    lib.pairmill_error_name.restype = ctypes.c_char_p
    return lib


_lib = _load()


def _check(rc):
    if rc < 0:
        raise Error(
            _lib.pairmill_error_name(rc).decode(), _lib.pairmill_error().decode(errors="replace")
        )
    return rc


class _Memory:
    """A native batch; its arrays keep it alive and it is given back with the last of them."""

    def __init__(self, pointer):
        self._pointer = pointer
        self._release = _lib.pairmill_batch_release  # still there while the interpreter shuts down

    def __del__(self):
        self._release(self._pointer)


class _View:
    """numpy's array interface over a piece of a native batch."""

    def __init__(self, memory, address, shape, dtype):
        self._memory = memory
        self.__array_interface__ = {
            "version": 3,
            "data": (address, False),
            "shape": shape,
            "typestr": dtype,
        }


def _array(memory, address, shape, dtype):
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.asarray(_View(memory, address, shape, dtype))


def _as_trainer_type(array):
    """torch wants indexes and labels as int64, and masks as bool."""
    if array.dtype == np.int32:
        return array.astype(np.int64)
    if array.dtype == np.uint8:
        return array.view(np.bool_)
    return array


class Batch(dict):
    """A batch by the recipe's own names (UNITER's input_ids, img_feat, ...; docs/recipes.md), and beside it:

    task        one of tasks(recipe), "mlm" for example: the same for the whole batch
    epoch       of the feed
    position    of the first sample in the epoch's global order
    next        where the epoch goes on after this batch, for all ranks
    pair_ids    uint8 (size, 32)
    medium_ids  uint8 (size, 32): whose regions these are
    """

    def __init__(self, pointer, as_torch):
        memory = _Memory(pointer)
        b = pointer.contents
        self.task = b.task.decode()
        self.epoch = b.epoch
        self.position = b.position
        self.next = b.next
        self.pair_ids = _array(memory, b.pair_ids, (b.size, 32), "|u1")
        self.medium_ids = _array(memory, b.medium_ids, (b.size, 32), "|u1")
        super().__init__(self._arrays(memory, b))
        if as_torch:
            import torch

            self.update({name: torch.from_numpy(array) for name, array in self.items()})
        self._gather_transport()

    @staticmethod
    def _arrays(memory, b):
        for a in b.arrays[: b.array_count]:
            shape = tuple(a.shape[: a.dimensions])
            yield a.name.decode(), _as_trainer_type(_array(memory, a.data, shape, a.dtype.decode()))

    def _gather_transport(self):
        """UNITER's itm takes what optimal transport needs as a dict of its own."""
        if "ot_scatter" in self:
            names = ("ot_scatter", "txt_pad", "img_pad")
            inputs = {name: self.pop(name) for name in names}
            inputs["scatter_max"] = int(inputs["ot_scatter"].max())
            self["ot_inputs"] = inputs


def _option_text(options):
    return ",".join(f"{name}={value}" for name, value in options.items())


def tasks(recipe):
    """The names of a recipe's tasks; empty for a recipe that there is not."""
    numbers = itertools.count()
    names = (_lib.pairmill_recipe_task(recipe.encode(), i) for i in numbers)
    return tuple(name.decode() for name in itertools.takewhile(lambda name: name, names))


def _task_options(recipe, task):
    known = tasks(recipe)
    if task not in known:
        raise ValueError(f'the recipe {recipe} has no task "{task}"; it has: {", ".join(known)}')
    return {name: int(name == task) for name in known}


def _whole(name, value, least, most):
    """The number itself: ctypes would cut one that is out of range, and say nothing."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, which is no whole number") from None
    if not least <= number <= most:
        raise ValueError(f"{name} is {number}; it must be from {least} to {most}")
    return number


class Feed:
    """One rank's batches of one epoch: iterate over it once.

    address     of `pairmill feed`: "tcp://host:port" or "ipc:///path"
    recipe      "uniter" or "ernievil"
    rank, world this trainer and how many there are
    seed, epoch what the order, the masks and the negatives are drawn from
    start       position to begin at (`state` holds it)
    batch_size  samples a rank and batch
    task        one task only, e.g. "mlm"; None: the recipe's mix, one task a batch
    options     of the recipe, a dict (docs/recipes.md).  Unless given, task_block is
                batch_size * world, so that all ranks draw the same task for the same step
    drop_last   every rank has the same number of batches: left out are the last one of all ranks
                when it is not full, and a part of one, cut off by the end of a task_block or by
                `start`, that has not a sample for every rank
    credit      messages of about 1 MB that may be under way
    timeout     seconds of every wait; then Error says that the feed is gone
    torch       yield torch tensors instead of numpy arrays

    Resuming with another world: keep batch_size * world, and the batches' content stays as well.
    """

    _feed = None  # also of a Feed whose arguments were wrong

    def __init__(
        self,
        address,
        recipe="uniter",
        rank=0,
        world=1,
        seed=0,
        epoch=0,
        start=0,
        batch_size=32,
        task=None,
        options=None,
        drop_last=False,
        credit=8,
        timeout=60.0,
        torch=False,
    ):
        seed = _whole("seed", seed, 0, 2**64 - 1)
        epoch = _whole("epoch", epoch, 0, 2**32 - 1)
        start = _whole("start", start, 0, 2**64 - 1)
        world = _whole("world", world, 1, _WORLD_MAX)
        rank = _whole("rank", rank, 0, world - 1)
        batch_size = _whole("batch_size", batch_size, 1, _BATCH_SIZE_MAX)
        credit = _whole("credit", credit, 1, _CREDIT_MAX)
        self._options = {}
        if task is not None:
            self._options.update(_task_options(recipe, task))
        self._options.update(options or {})
        self._state = {"recipe": recipe, "seed": seed, "epoch": epoch, "start": start}
        self._torch = torch
        self._pid = os.getpid()
        given = _lib.pairmill_default_options()
        given.address = os.fsencode(address)
        given.recipe = recipe.encode()
        given.options = _option_text({"task_block": batch_size * world, **self._options}).encode()
        given.seed = seed
        given.start = start
        given.epoch = epoch
        given.rank = rank
        given.world = world
        given.batch_size = batch_size
        given.drop_last = bool(drop_last)
        given.credit = credit
        given.timeout_s = timeout
        self._open(given)
        self.total = _lib.pairmill_feed_total(self._feed)
        """Positions in the epoch, over all ranks."""
        self._batches = _lib.pairmill_feed_batches(self._feed)

    def _open(self, given):
        feed = ctypes.c_void_p()
        _check(_lib.pairmill_feed_begin(ctypes.byref(given), ctypes.byref(feed)))
        self._feed = feed
        try:
            while not _check(_lib.pairmill_feed_welcome(feed, _WAIT_SECONDS)):
                pass
        except BaseException:  # Ctrl-C, too
            self.close()
            raise

    def __len__(self):
        """Batches from `start` to the end."""
        return self._batches

    @property
    def state(self):
        """Keyword arguments with which another Feed goes on after the batches yielded so far.

        A task_block that was not given is not among them: it follows batch_size and world anew.
        """
        return {**self._state, "options": dict(self._options)}

    def __iter__(self):
        return self

    def __next__(self):
        if self._feed is None:
            raise StopIteration
        if os.getpid() != self._pid:
            raise Error("E_ARG", "a Feed was opened before a fork: open it in the child")
        while not _lib.pairmill_feed_wait(self._feed, _WAIT_SECONDS):
            pass
        pointer = ctypes.POINTER(_Batch)()
        if _check(_lib.pairmill_feed_next(self._feed, ctypes.byref(pointer))) == 0:
            self.close()
            raise StopIteration
        batch = Batch(pointer, self._torch)
        self._state["start"] = batch.next
        return batch

    def close(self):
        """Ends the feed; batches that were yielded stay valid."""
        if self._feed is not None and os.getpid() == self._pid:
            _lib.pairmill_feed_close(self._feed)
        self._feed = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __del__(self):
        self.close()

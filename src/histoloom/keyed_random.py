"""Random numbers that are a pure function of their key.

Weaving a region must give the pixels that weaving the whole would give, in any order and in any process, so
nothing may be drawn from a stream that depends on what was drawn before. Each number here is a hash of integers:
a seed, canvas coordinates, a nucleus's texture seed, a counter. The mixing step is SplitMix64's finalizer
(Steele, Lea and Flood, OOPSLA 2014), which passes the usual statistical batteries for such use.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def keyed_hash(*key: ArrayLike) -> NDArray[np.uint64]:
    """Hash integers to 64 bits, elementwise with broadcasting.

    Parameters
    ----------
    *key
        Integers or integer arrays that broadcast together. Integers of any size are taken modulo 2**64.

    Returns
    -------
    NDArray[np.uint64]
        One hash for each element of the broadcast key (0-d for scalars).

    Raises
    ------
    TypeError
        If a part of the key is not made of integers: rounding would give different keys the same hash.
    """
    state: NDArray[Any] = np.asarray(0, np.uint64)
    with np.errstate(over="ignore"):
        for part in key:
            word = np.asarray(part)
            if word.dtype.kind not in "biu":
                word = _modulo(word)
            if word.dtype != np.uint64:
                word = word.astype(np.int64).astype(np.uint64)
            state = state + word * _GOLDEN + _GOLDEN
            state = (state ^ (state >> np.uint64(30))) * _MIX_1
            state = (state ^ (state >> np.uint64(27))) * _MIX_2
            state = state ^ (state >> np.uint64(31))
    return np.asarray(state, np.uint64)


def _modulo(word: NDArray[Any]) -> NDArray[np.uint64]:
    """Return integers that numpy has no type for modulo 2**64."""
    remainders = [operator.index(each) % 2**64 for each in word.ravel().tolist()]
    return np.array(remainders, np.uint64).reshape(word.shape)


def keyed_uniform(*key: ArrayLike) -> NDArray[np.float64]:
    """Return uniform numbers in [0, 1) for integer keys, elementwise with broadcasting."""
    return np.asarray((keyed_hash(*key) >> np.uint64(11)) * 2.0**-53)


def keyed_normal(*key: ArrayLike) -> NDArray[np.float64]:
    """Return standard normal numbers for integer keys (Box-Muller), elementwise with broadcasting."""
    radius = np.sqrt(-2.0 * np.log1p(-keyed_uniform(*key, 1)))
    return np.asarray(radius * np.cos(2.0 * np.pi * keyed_uniform(*key, 2)))


def keyed_generator(*key: int) -> np.random.Generator:
    """Return a numpy generator whose stream is fixed by the key, for code that needs many draws in order."""
    return np.random.Generator(np.random.Philox(key=int(keyed_hash(*key))))


def shuffled_index(place: int, count: int, *key: int) -> int:
    """Return which of ``count`` things comes at a place of an endless order in which every round shows each once."""
    turn, position = divmod(place, count)
    order = np.argsort(keyed_hash(*key, turn, np.arange(count)), kind="stable")
    return int(order[position])

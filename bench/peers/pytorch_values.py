"""The random values of values.mjs, bit for bit, and the digests by which results of two processes are compared."""

import numpy as np

MASK = 0xFFFFFFFF


def seed_of(name):
    """FNV-1a over the name's characters."""
    state = 0x811C9DC5
    for character in name:
        state = ((state ^ ord(character)) * 0x01000193) & MASK
    return state | 1


def step(state):
    """xorshift32, of many states at a time."""
    state = state ^ (state << np.uint32(13))
    state = state ^ (state >> np.uint32(17))
    return state ^ (state << np.uint32(5))


def apply(matrix, states):
    """A linear map over bits: column k is what bit k becomes."""
    result = np.zeros_like(states)
    for k in range(32):
        result ^= ((states >> np.uint32(k)) & np.uint32(1)) * matrix[k]
    return result


def power(exponent):
    """`exponent` steps as one map."""
    result = np.uint32(1) << np.arange(32, dtype=np.uint32)
    square = step(result)
    while exponent > 0:
        if exponent & 1:
            result = apply(square, result)
        square = apply(square, square)
        exponent >>= 1
    return result


def uniforms(name, count, low=-1.0, high=1.0):
    """Like `uniforms` of values.mjs. The sequence is cut into lanes, each of which starts by a jump: numpy then walks
    all of them at a time."""
    lanes = 1
    while lanes < 16384 and lanes * lanes < count:
        lanes *= 2
    length = -(-count // lanes)
    states = np.array([seed_of(name)], dtype=np.uint32)
    jump = power(length)
    while states.size < lanes:
        states = np.concatenate([states, apply(jump, states)])
        jump = apply(jump, jump)
    drawn = np.empty((length, lanes), dtype=np.uint32)
    for k in range(length):
        states = step(states)
        drawn[k] = states
    values = np.empty((lanes, length), dtype=np.float32)
    scale = (high - low) / 2**32
    for lane in range(0, lanes, 1024):
        part = slice(lane, lane + 1024)
        values[part] = low + drawn[:, part].T.astype(np.float64) * scale
    return values.reshape(-1)[:count]


PROJECTIONS = 8


def digest(results):
    """Like `digestOf` of digest.mjs: of every result its norm and its products with random vectors."""
    found = {}
    for name, value in results.items():
        flat = value.astype(np.float64).reshape(-1)
        products = [float(flat @ uniforms(f"projection {k}", flat.size)) for k in range(PROJECTIONS)]
        found[name] = {"norm": float(np.linalg.norm(flat)), "products": products}
    return found

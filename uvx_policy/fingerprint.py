"""The one checksum: of keys, names, listings. Shared with the launcher (`shims/launcher.c`)."""

#: a Mersenne prime: the launcher multiplies by 256 with a rotation
_PRIME = 2**61 - 1


def fingerprint(data: bytes) -> int:
    """61 bits that tell texts apart, no defence against someone who wants them equal.

    The data as one number, modulo a prime. Not `binascii.crc32`: that import costs 0.3 ms, and 32
    bits are few for a state that must never be taken for another. Not `hash`: it is salted.
    """
    return int.from_bytes(b"\1" + data, "big") % _PRIME

"""The one checksum: of keys, names, listings. Shared with the launcher (`shims/launcher.c`)."""

#: No Mersenne prime: modulo 2**61 - 1 two bytes that are 61 apart have the same weight, and two
#: mounts that swap an option leave the mount table its sum. The launcher needs no division for it.
_PRIME = 2**64 - 59


def fingerprint(data: "bytes | bytearray") -> int:
    """64 bits that tell texts apart, no defence against someone who wants them equal.

    The data as one number, modulo a prime. Not `binascii.crc32`: that import costs 0.3 ms, and 32
    bits are few for a state that must never be taken for another. Not `hash`: it is salted.
    """
    return int.from_bytes(b"\1" + data, "big") % _PRIME

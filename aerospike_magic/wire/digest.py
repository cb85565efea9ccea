"""Record digests: the 20 bytes by which the server knows a record.

digest = RIPEMD-160(set name + particle type of the key (1 byte) + key bytes). The partition is the first two
bytes, little-endian, modulo 4,096.

Sources: Aerospike C client, as_key.c (`as_key_set_digest`) and as_partition.h (`as_partition_getid`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from aerospike_magic.errors import WireError
from aerospike_magic.wire.particle_type import ParticleType
from aerospike_magic.wire.ripemd160 import ripemd160

DIGEST_SIZE = 20
N_PARTITIONS = 4096


def _choose_hash() -> Callable[[bytes], bytes]:
    # OpenSSL 3 keeps RIPEMD-160 in a provider that some systems leave out; hashlib then lists it but fails to
    # use it.
    try:
        hashlib.new("ripemd160", b"", usedforsecurity=False)
    except ValueError:
        return ripemd160
    return lambda data: hashlib.new("ripemd160", data, usedforsecurity=False).digest()


_hash = _choose_hash()


def encode_key(key: int | str | bytes) -> bytes:
    """Returns the particle type byte and the key's bytes, as a KEY field carries them.

    Args:
        key: an integer of 64 bits (signed), a string, or bytes. No bool: it is no key type.

    Raises:
        WireError: another type, or an integer that does not fit.
    """
    if isinstance(key, bool):
        raise WireError("a key cannot be a boolean")
    if isinstance(key, int):
        try:
            return bytes((ParticleType.INTEGER,)) + key.to_bytes(8, "big", signed=True)
        except OverflowError:
            raise WireError(f"the key {key} does not fit in 64 bits") from None
    if isinstance(key, str):
        try:
            return bytes((ParticleType.STRING,)) + key.encode()
        except UnicodeEncodeError:
            raise WireError("a key has characters that are not valid Unicode") from None
    if isinstance(key, bytes | bytearray):
        return bytes((ParticleType.BLOB,)) + bytes(key)
    raise WireError(f"a key cannot be of type {type(key).__name__}")


def decode_key(data: bytes) -> int | str | bytes:
    """Reads a KEY field; the other way of `encode_key`.

    Raises:
        WireError: empty, an integer of another size than 8 bytes, a string that is not UTF-8, or another
            type.
    """
    if not data:
        raise WireError("a key field is empty")
    kind, payload = data[0], bytes(data[1:])
    if kind == ParticleType.INTEGER:
        if len(payload) != 8:
            raise WireError(f"an integer key has {len(payload)} bytes instead of 8")
        return int.from_bytes(payload, "big", signed=True)
    if kind == ParticleType.STRING:
        try:
            return payload.decode()
        except UnicodeDecodeError:
            raise WireError("a string key is not valid UTF-8") from None
    if kind == ParticleType.BLOB:
        return payload
    raise WireError(f"a key cannot be of particle type {kind}")


def compute_digest(set_name: str, key: int | str | bytes) -> bytes:
    """Returns the digest of a record, 20 bytes.

    Args:
        set_name: the set, empty for records outside any set.
        key: the user key.

    Raises:
        WireError: a key that is none, see `encode_key`.

    Example:
        >>> compute_digest("vec", 5).hex()
        'd48786531245242db3040e6b065420aaf3cbd8c9'
    """
    try:
        return _hash(set_name.encode() + encode_key(key))
    except UnicodeEncodeError:
        raise WireError("a set name has characters that are not valid Unicode") from None


def partition_id(digest: bytes) -> int:
    """Returns the partition of a digest, 0..4095.

    Raises:
        WireError: not 20 bytes.
    """
    if len(digest) != DIGEST_SIZE:
        raise WireError(f"a digest has {len(digest)} bytes instead of {DIGEST_SIZE}")
    return (digest[0] | digest[1] << 8) & (N_PARTITIONS - 1)

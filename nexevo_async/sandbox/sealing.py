"""Keeps out of the database file, in clear, what the gateway itself must be able to read again.

That is the secrets of authenticator apps and of webhooks, and the answers that are kept for a
repeated request. The secret that unseals them lies in a file beside the database: who has both
files has all. It is no vault; it sees to it that the database file alone gives nothing away.
"""

import errno
import hashlib
import hmac
import os
import secrets
from typing import Final

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 16


class Seal:
    """Seals and unseals, by XOR with the stream of HMAC-SHA-256 in counter mode.

    Args:
        key: 32 random bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, data: bytes) -> bytes:
        """Give the data sealed, which differs each time."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._mixed(nonce, data)

    def unseal(self, sealed: bytes) -> bytes:
        """Give the data that was sealed."""
        return self._mixed(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:])

    def digest(self, data: bytes) -> bytes:
        """Give a hash that nobody without the key can compare a guess with."""
        return hmac.digest(self._key, b"digest" + data, "sha256")

    def _mixed(self, nonce: bytes, data: bytes) -> bytes:
        blocks = range(0, len(data), hashlib.sha256().digest_size)
        stream = b"".join(
            hmac.digest(self._key, b"stream" + nonce + block.to_bytes(8), "sha256")
            for block in blocks
        )
        size = len(data)
        mixed = int.from_bytes(data) ^ int.from_bytes(stream[:size])
        return mixed.to_bytes(size)


def new_seal() -> Seal:
    """Give a seal that lasts as long as this process."""
    return Seal(secrets.token_bytes(_KEY_BYTES))


def seal_beside(database: str, *, make: bool) -> Seal:
    """Give the seal of a database file.

    Args:
        database: The path.
        make: Whether to make its key where there is none.

    Raises:
        OSError: the file of the key can be neither read nor made.
    """
    path = f"{database}.secret"
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - the path is text
            key = file.read()
        if len(key) != _KEY_BYTES:
            raise OSError(errno.EINVAL, f"it has not {_KEY_BYTES} bytes", path)
        return Seal(key)
    except FileNotFoundError:
        if not make:
            raise
        key = secrets.token_bytes(_KEY_BYTES)
    # Never half there: a file that a crash cut short would seal with a key that nobody can guess.
    unfinished = f"{path}.new"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open
        file.write(key)
        file.flush()
        os.fsync(descriptor)
    os.replace(unfinished, path)  # noqa: PTH105 - the path is text
    return Seal(key)

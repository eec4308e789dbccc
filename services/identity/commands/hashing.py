"""Secrets of clients: made at random, hashed with argon2 off the event loop, a bounded number at a time."""

import asyncio
import secrets

from pwdlib import PasswordHash

_AT_ONCE = 2  # each takes a core and 64 MiB for some 30 ms; more at once would only starve the rest


class Hashing:
    """Hashes and verifies secrets in threads. One per process, in the runtime's state as HASHING."""

    def __init__(self) -> None:
        self._hasher = PasswordHash.recommended()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, secret: str) -> str:
        """Return the argon2 hash of a secret."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, secret)

    async def verify(self, secret: str, hashes: tuple[str, ...]) -> bool:
        """Return whether the secret has one of these hashes.

        Without any hash the same work is done, so that the time does not tell which clients exist.
        """
        if not hashes:
            if self._nobody is None:
                self._nobody = await self.hash(new_secret())
            hashes = (self._nobody,)
        found = False
        for one in hashes:
            async with self._turns:
                found |= await asyncio.to_thread(self._hasher.verify, secret, one)
        return found


HASHING = "identity.hashing"


def new_secret() -> str:
    """Return a new secret of 256 bits; its prefix lets scanners find it where it should not be."""
    return f"comity_{secrets.token_urlsafe(32)}"

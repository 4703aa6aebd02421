"""Passwords: hashed, compared, and not guessed at for long.

A hash takes 40 ms. It is worked out before the transaction of its call begins and on a thread of
its own, so that no other call waits for it.
"""

import asyncio
import base64
import functools
import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from nexevo_async.sandbox.accounts import normalized, user_named, user_row
from nexevo_async.sandbox.caller import Caller
from nexevo_async.sandbox.refusal import WrongGuessError
from nexevo_async.sandbox.store import Store
from nexevo_async.sandbox.throttle import Throttle

# 16 MiB and about 40 ms a password: OWASP's least for n would double the sandbox's start.
_COST: Final = {"n": 2**14, "r": 8, "p": 1}
_DIGEST_BYTES: Final = 64


class Proof(NamedTuple):
    """What was found out about the passwords of a body.

    Attributes:
        fits: The stored hash that the given password fits; None where it fits none.
        hashed: The hash of the new password; empty where there is none.
    """

    fits: str | None = None
    hashed: str = ""

    def checked(self, user: sqlite3.Row | None) -> sqlite3.Row:
        """Give the user, if the password fits that the user has by now.

        Raises:
            RefusalError: the password is wrong, or there is no user.
        """
        if user is None or self.fits is None or self.fits != user["password_hash"]:
            raise WrongGuessError("invalid_credentials", "The e-mail or the password is wrong.")
        return user


class _Members(NamedTuple):
    known: str | None = None
    new: str | None = None
    guessable: bool = True


# What every other operation knows of passwords is nothing.
_MEMBERS: Final[Mapping[str, _Members]] = {
    "auth.register": _Members(new="password", guessable=False),
    "auth.login": _Members(known="password"),
    "auth.confirm_password_reset": _Members(new="new_password", guessable=False),
    "auth.change_password": _Members(known="current_password", new="new_password"),
    "auth.two_fa_enable": _Members(),
    "auth.two_fa_disable": _Members(known="password"),
    "auth.deactivate": _Members(known="password"),
}


def password_hash(password: str) -> str:
    """Give the salted scrypt hash of a password; takes about 40 ms."""
    salt = secrets.token_bytes(16)
    return _written(salt, hashlib.scrypt(password.encode(), salt=salt, **_COST))


def password_fits(password: str, stored: str) -> bool:
    """Say whether a password has that hash; takes about 40 ms."""
    _, n, r, p, salt, digest = stored.split("$")
    computed = hashlib.scrypt(
        password.encode(), salt=base64.b64decode(salt), n=int(n), r=int(r), p=int(p)
    )
    return hmac.compare_digest(computed, base64.b64decode(digest))


def _written(salt: bytes, digest: bytes) -> str:
    encoded = (base64.b64encode(part).decode() for part in (salt, digest))
    return "$".join(("scrypt", *map(str, _COST.values()), *encoded))


# Compared with where there is no account, so that this takes as long as where there is one.
_NOBODYS: Final = _written(secrets.token_bytes(16), secrets.token_bytes(_DIGEST_BYTES))


@asynccontextmanager
async def proven(
    operation: str, caller: Caller, body: Mapping[str, Any], store: Store, throttle: Throttle
) -> AsyncGenerator[Proof]:
    """Work out what a call must know of its passwords, and count its failure.

    Raises:
        RefusalError: there were too many failures.
    """
    members = _MEMBERS.get(operation)
    if members is None:
        yield Proof()
    elif not members.guessable:
        yield await _proof(members, caller, body, store)
    else:
        who = caller.user_id or f"address {normalized(body['email'])}"
        async with throttle.attempt(who):
            yield await _proof(members, caller, body, store)


async def _proof(members: _Members, caller: Caller, body: Mapping[str, Any], store: Store) -> Proof:
    fits, hashed = None, ""
    if members.known is not None:
        stored = await store.run(functools.partial(_stored, caller=caller, email=body.get("email")))
        if await asyncio.to_thread(password_fits, body[members.known], stored):
            fits = stored
    if members.new is not None:
        hashed = await asyncio.to_thread(password_hash, body[members.new])
    return Proof(fits, hashed)


def _stored(db: sqlite3.Connection, caller: Caller, email: str | None) -> str:
    row = user_named(db, email) if email is not None else user_row(db, caller.user_id)
    return str((row and row["password_hash"]) or _NOBODYS)

"""Where the secrets of an account must not be: in logs, answers and the database file."""

import contextlib
import logging
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from auth_support import (
    EMAIL,
    NEW_PASSWORD,
    as_,
    code_at,
    confirm,
    login,
    move,
    nobody,
    register,
    reset_token,
    with_2fa,
)
from sandbox_support import Api, api_of

from nexevo_async.errors import ConfigurationError
from nexevo_async.sandbox.sealing import Seal, new_seal
from nexevo_async.testing import Sandbox

pytestmark = pytest.mark.usefixtures("cheap_hashes")
PASSWORD = "canary-password"


async def test_secrets_are_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "state.db"
    refusals: list[str] = []
    with Sandbox(db=file) as sandbox:
        async with api_of(sandbox) as api:
            keyed = {"Idempotency_Key": "key-1"}
            made = await nobody(api).post(
                "/auth/register", {"email": EMAIL, "password": PASSWORD}, **keyed
            )
            ada = as_(api, made.json["access_token"])
            secret = (await ada.post("/auth/2fa/setup", **keyed)).json["secret"]
            code = code_at(secret, await move(api, 0))
            enabled = await ada.post("/auth/2fa/enable", {"code": code}, **keyed)
            codes: list[str] = enabled.json["recovery_codes"]
            full_key = (await ada.post("/keys", {"name": "k"}, **keyed)).json["full_key"]
            token = await reset_token(api)
            for reply in (
                await login(api, password=PASSWORD + "x"),
                await login(api, password=PASSWORD),
                await login(api, password=PASSWORD, totp_code=code),
                await confirm(api, token, "short"),
                await confirm(api, token + "x", PASSWORD),
                await as_(api, ada.key + "x").get("/auth/me"),
                await as_(api, full_key + "x").get("/auth/me"),
                await ada.post("/auth/deactivate", {"password": PASSWORD + "x"}),
                await ada.post("/auth/2fa/disable", {"password": PASSWORD, "code": token}),
            ):
                assert 400 <= reply.status < 500
                refusals.append(reply.text)
            log = (await api.get("/_sandbox/requests")).text
            running = stored(tmp_path)
            assert (await confirm(api, token)).status == 204
    canaries = {PASSWORD, ada.key, token, secret, full_key, *codes}
    canaries |= {code.replace("-", "") for code in codes}
    for canary in canaries:
        for where in (log, caplog.text, *refusals):
            assert canary not in where
        for data in (running, stored(tmp_path)):
            assert canary.encode() not in data
    assert EMAIL.encode() in running


def stored(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


async def test_sealed_answer_is_repeated_after_a_restart(tmp_path: Path):
    file = tmp_path / "state.db"
    body = {"email": EMAIL, "password": PASSWORD}
    replies: list[Any] = []
    for _ in range(2):
        with Sandbox(db=file) as sandbox:
            async with api_of(sandbox) as api:
                reply = await nobody(api).post("/auth/register", body, Idempotency_Key="k")
                replies.append(reply.json)
                ada = as_(api, reply.json["access_token"])
                assert (await ada.get("/auth/me")).status == 200
    assert replies[0] == replies[1]


def test_secret_of_a_file_is_for_its_owner_alone(tmp_path: Path):
    file, secret = tmp_path / "state.db", tmp_path / "state.db.secret"
    with Sandbox(db=file):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        before = secret.read_bytes()
    with Sandbox(db=file):
        assert secret.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.db", "state.db.secret"]


def test_file_without_its_secret_is_refused(tmp_path: Path):
    file, secret = tmp_path / "state.db", tmp_path / "state.db.secret"
    with Sandbox(db=file):
        pass
    kept = shutil.move(secret, tmp_path / "kept")
    with pytest.raises(ConfigurationError, match=r"needs its secret, and .*state\.db\.secret"):
        Sandbox(db=file).__enter__()
    for wrong, why in ((b"", "it has not 32 bytes"), (b"x" * 32, "not sealed with the secret")):
        secret.write_bytes(wrong)
        with pytest.raises(ConfigurationError, match=why):
            Sandbox(db=file).__enter__()
    shutil.copy(kept, secret)
    with Sandbox(db=file):
        pass


def test_file_of_the_first_version_is_refused(tmp_path: Path):
    file = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE users (user_id TEXT)")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    with pytest.raises(ConfigurationError, match="has schema version 1, and this sandbox reads"):
        Sandbox(db=file).__enter__()
    assert not (tmp_path / "old.db.secret").exists()


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 100_000])
def test_seal(size: int):
    seal, data = new_seal(), b"\0" * size
    sealed = seal.seal(data)
    assert seal.unseal(sealed) == data
    if size > 30:
        assert data not in sealed
        assert seal.seal(data) != sealed
        assert new_seal().unseal(sealed) != data
        # No block of the stream comes twice.
        stream = sealed[16:]
        assert len({stream[at : at + 32] for at in range(0, size, 32)}) == -(-size // 32)


def test_seal_is_the_same_for_the_same_secret():
    assert Seal(b"k" * 32).unseal(Seal(b"k" * 32).seal(b"data")) == b"data"
    assert Seal(b"k" * 32).digest(b"a") == Seal(b"k" * 32).digest(b"a")
    assert Seal(b"k" * 32).digest(b"a") != Seal(b"j" * 32).digest(b"a")


async def test_killed_process_loses_nothing_that_was_answered(tmp_path: Path):
    file = tmp_path / "state.db"
    with command(file) as api:
        ada = await register(api, password=PASSWORD)
        secret, codes = await with_2fa(ada)
        used = {"totp_code": codes[0]}
        session = as_(api, (await login(api, password=PASSWORD, **used)).json["access_token"])
        assert (await ada.post("/auth/logout")).status == 204
        body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        assert (await session.post("/auth/change-password", body)).status == 204
        api.process.send_signal(signal.SIGKILL)
        api.process.wait()
        await api.session.close()
    with command(file) as api:
        assert (await as_(api, session.key).get("/auth/2fa")).json["recovery_codes_left"] == 9
        assert (await as_(api, ada.key).get("/auth/me")).status == 401
        assert (await login(api, password=PASSWORD)).status == 401
        assert (await login(api, password=NEW_PASSWORD, **used)).status == 401
        code = code_at(secret, await move(api, 90))
        assert (await login(api, password=NEW_PASSWORD, totp_code=code)).status == 200
        await api.session.close()


class Process(Api):
    """Speaks with a sandbox that is a process of its own."""

    process: subprocess.Popen[str]


@contextlib.contextmanager
def command(file: Path) -> Any:
    started = "from nexevo_async.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", started, "sandbox", "--port", "0", "--db", str(file)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        values: dict[str, str] = {}
        for line in process.stdout:
            name, _, value = line.removeprefix("export ").strip().partition("=")
            values[name.split()[-1] if name else ""] = value
            if "Ctrl-C" in line:
                break
        api = Process(ClientSession(), values["NEXEVO_BASE_URL"], values["NEXEVO_API_KEY"])
        api.process = process
        yield api
    finally:
        process.kill()
        process.communicate()

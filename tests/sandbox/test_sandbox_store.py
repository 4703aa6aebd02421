import contextlib
import sqlite3
from pathlib import Path

import pytest
from sandbox_support import api_of

from nexevo_async.errors import ConfigurationError
from nexevo_async.sandbox.store import SCHEMA_VERSION, Store
from nexevo_async.testing import Sandbox


async def test_state_outlives_the_sandbox(tmp_path: Path):
    file = tmp_path / "state.db"
    with Sandbox(db=file) as first:
        async with api_of(first) as api:
            conv_id = await api.conversation(title="kept")
            await api.post("/conversations", {"title": "kept"}, Idempotency_Key="k")
    with Sandbox(db=file) as second:
        async with api_of(second) as api:
            titles = [c["title"] for c in (await api.get("/conversations")).json["conversations"]]
            assert titles == ["kept", "kept"]
            assert (await api.get(f"/conversations/{conv_id}")).status == 200
            # Another start shows another key; the first is good as well.
            old = {"Authorization": f"Bearer {first.api_key}"}
            assert (await api.get(f"/conversations/{conv_id}", **old)).status == 200
            await api.post("/conversations", {"title": "kept"}, Idempotency_Key="k", **old)
            assert len((await api.get("/conversations")).json["conversations"]) == 2


def test_file_is_in_wal_mode_and_has_a_version(tmp_path: Path):
    file = tmp_path / "state.db"
    with Sandbox(db=file):
        pass
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 0])
def test_file_of_another_version_is_refused_untouched(tmp_path: Path, version: int):
    file = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE theirs (x)")
        db.execute(f"PRAGMA user_version = {version}")
        db.commit()
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match=rf"other\.db has schema version {version},"):
        Sandbox(db=file).__enter__()
    assert file.read_bytes() == before


def test_file_that_is_no_database_is_refused_untouched(tmp_path: Path):
    file = tmp_path / "notes.txt"
    file.write_text("dear diary " * 1000)
    with pytest.raises(ConfigurationError, match="is no SQLite database"):
        Sandbox(db=file).__enter__()
    assert file.read_text() == "dear diary " * 1000


def test_file_in_a_directory_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Sandbox(db=tmp_path / "no" / "state.db").__enter__()


def test_two_sandboxes_do_not_share_a_file(tmp_path: Path):
    file = tmp_path / "state.db"
    with Sandbox(db=file), pytest.raises(ConfigurationError, match="in use"):
        Sandbox(db=file).__enter__()
    with Sandbox(db=file):
        pass


async def test_reset_leaves_no_more_than_the_seed(tmp_path: Path):
    def rows(file: Path) -> dict[str, int]:
        with contextlib.closing(sqlite3.connect(file)) as db:
            names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            return {
                name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
                for (name,) in names
                if name != "sqlite_sequence"
            }

    used, fresh = tmp_path / "used.db", tmp_path / "fresh.db"
    with Sandbox(db=used) as sandbox:
        async with api_of(sandbox) as api:
            await api.conversation(title="forgotten")
            reply = await api.chat(model="nexevo/auto", metadata={"conversation_id": "c"})
            generation_id = reply.json["nexevo"]["generation_id"]
            await api.post("/feedback", {"generation_id": generation_id, "rating": 1})
        sandbox.reset()
    with Sandbox(db=fresh):
        pass
    assert rows(used) == rows(fresh)


async def test_failed_work_is_rolled_back():
    store = Store(None)
    await store.open()

    def fail(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half_done (x)")
        raise KeyError

    with pytest.raises(KeyError):
        await store.run(fail)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await store.run(lambda db: db.execute("SELECT * FROM half_done").fetchall())
    await store.close()
    with pytest.raises(RuntimeError):
        await store.run(lambda _: None)

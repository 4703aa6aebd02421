"""The command, as a process of its own."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession
from command_support import NEXEVO, running
from routing_support import FAST, judge, used
from sandbox_support import Api, eventually

from nexevo_async.testing import Sandbox


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serves_when_it_says_so_and_ends_at_a_signal(number: int):
    with running("--port", "0") as command:
        assert command.said.startswith(f"Nexevo sandbox ready at {command.base_url}\n")
        async with ClientSession() as session:
            api = Api(session, command.base_url, command.api_key)
            reply = await api.get("/models")
            assert reply.status == 200
            assert reply.headers["X-RateLimit-Remaining"] == "59"
            status, errors, took = command.end(number)
        assert (status, errors) == (0, "")
        assert took < 1


async def test_takes_a_key_and_a_limit(tmp_path: Path):
    arguments = ("--port", "0", "--api-key", "sk-xc-mine", "--rate-limit", "2")
    with running(*arguments, "--db", str(tmp_path / "state.db")) as command:
        assert command.api_key == "sk-xc-mine"
        async with ClientSession() as session:
            api = Api(session, command.base_url, "sk-xc-mine")
            assert [(await api.get("/models")).status for _ in range(3)] == [200, 200, 429]
    with running("--port", "0", "--rate-limit", "0") as command:
        async with ClientSession() as session:
            api = Api(session, command.base_url, command.api_key)
            assert {(await api.get("/models")).status for _ in range(70)} == {200}


async def test_takes_a_seed_for_its_router():
    async def choices(base_url: str, api_key: str) -> list[str]:
        async with ClientSession() as session:
            api = Api(session, base_url, api_key)
            await judge(api, dict.fromkeys(FAST, 1))
            return [await used(api) for _ in range(20)]

    with running("--port", "0", "--rate-limit", "0", "--seed", "3") as command:
        by_command = await choices(command.base_url, command.api_key)
    with Sandbox(seed=3) as sandbox:
        assert by_command == await choices(sandbox.base_url, sandbox.api_key)
    assert set(by_command) == set(FAST)


async def test_killed_it_has_lost_nothing_that_it_answered(tmp_path: Path):
    file = str(tmp_path / "state.db")
    arguments = ("--port", "0", "--db", file, "--rate-limit", "0", "--api-key", "sk-xc-mine")
    answered: list[str] = []

    async def write(api: Api) -> None:
        with contextlib.suppress(ClientError):
            while True:
                answered.append(await api.conversation())

    with running(*arguments) as command:
        async with ClientSession() as session:
            api = Api(session, command.base_url, "sk-xc-mine")
            writers = [asyncio.create_task(write(api)) for _ in range(8)]
            await eventually(lambda: len(answered) > 100, within=10)
            command.process.kill()  # in the middle of it
            await asyncio.gather(*writers)
    with running(*arguments) as command:
        async with ClientSession() as session:
            api = Api(session, command.base_url, "sk-xc-mine")
            for conv_id in answered:
                assert (await api.get(f"/conversations/{conv_id}")).status == 200


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--port", "99999"), "port"),
        (("--rate-limit", "-1"), "rate_limit"),
        (("--api-key", "Bearer x"), "api_key begins with 'Bearer '"),
        (("--db", "/no/such/directory/state.db"), "cannot be opened"),
    ],
)
def test_wrong_argument_is_told_in_a_line(arguments: tuple[str, ...], says: str):
    done = subprocess.run(
        [*NEXEVO, "sandbox", "--port", "0", *arguments] if arguments[0] != "--port"
        else [*NEXEVO, "sandbox", *arguments],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_the_extra_it_says_which_to_install():
    script = """
import sys
sys.modules["cyclopts"] = None
from nexevo_async.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "pip install 'nexevo[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_it_loads_next_to_nothing():
    script = """
import sys
import nexevo_async.cli
heavy = {"aiohttp", "cyclopts", "rich", "sqlite3", "msgspec", "asyncio"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], timeout=30, check=True)

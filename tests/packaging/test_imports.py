"""What importing and constructing cost a program."""

import ast
import importlib
import os
from pathlib import Path

import pytest
from own_interpreter import gets_below, printed_by

from nexevo_async.testing import Sandbox

PACKAGES = ("nexevo_async", "nexevo_sync")


LOADED = """
import json, sys
before = set(sys.modules)
{}
print(json.dumps(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})))
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    loaded = printed_by(LOADED.format(f"import {package}"))
    heavy = {"aiohttp", "anyio", "asyncio", "attr", "cattrs", "msgspec", "ssl"}
    assert package in loaded
    assert heavy.isdisjoint(loaded)


IMPORTED = """
import time
began = time.process_time()
import {}
print((time.process_time() - began) * 1000)
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_takes_60_ms_at_most(package: str) -> None:
    assert gets_below(60, lambda: printed_by(IMPORTED.format(package)))


@pytest.mark.parametrize("client", ["nexevo_async.AsyncNexevo", "nexevo_sync.Nexevo"])
def test_constructing_a_client_loads_no_transport(client: str) -> None:
    package = client.partition(".")[0]
    loaded = printed_by(LOADED.format(f"import {package}; {client}()"))
    heavy = {"aiohttp", "anyio", "cattrs", "yarl"} | {"fastapi", "cyclopts", "rich", "sqlite3"}
    heavy |= {"opentelemetry"}
    assert heavy.isdisjoint(loaded)


def test_the_plugin_for_pytest_loads_nothing_of_the_sdk() -> None:
    loaded = printed_by(LOADED.format("import pytest, nexevo_async.testing.pytest_plugin"))
    heavy = {"aiohttp", "anyio", "attr", "cattrs", "msgspec", "nexevo_sync", "sqlite3", "yarl"}
    assert heavy.isdisjoint(loaded)


CALLED = """
import nexevo_sync
with nexevo_sync.Nexevo(sys.argv[2], base_url=sys.argv[1]) as client:
    client.models.list()
    client.chat.completions.create(
        model="nexevo/fast", messages=[{{"role": "user", "content": "x"}}], stream=True
    ).final()
"""


def test_a_call_loads_no_integration(sandbox: Sandbox) -> None:
    script = LOADED.replace("{}", CALLED, 1)
    loaded = printed_by(script.format(), sandbox.base_url, sandbox.api_key)
    assert "aiohttp" in loaded
    assert {"fastapi", "opentelemetry", "cyclopts", "rich"}.isdisjoint(loaded)


def test_the_async_package_does_not_load_its_twin() -> None:
    loaded = printed_by(
        LOADED.format("from nexevo_async.testing import Sandbox; import nexevo_async.client")
    )
    assert "nexevo_sync" not in loaded


NEW = "import time; {}; print(time.process_time())"


def test_a_new_process_has_a_client_for_little_more_than_its_libraries_cost(tmp_path: Path) -> None:
    # With bytecode of its own, as installed packages have: compiling is another thing.
    env = {"PATH": os.environ["PATH"], "PYTHONPYCACHEPREFIX": str(tmp_path)}

    def least(statement: str) -> float:
        return min(float(printed_by(NEW.format(statement), env=env)) for _ in range(4))

    def ratio() -> float:
        made = least("from nexevo_async import AsyncNexevo; AsyncNexevo()")
        return made / least("import asyncio, attrs, cattrs, anyio")

    assert gets_below(1.3, ratio)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_an_unknown_one_is_an_attribute_error(package: str) -> None:
    script = f"""
import json, {package} as package
for name in package.__all__:
    assert getattr(package, name) is getattr(package, name), name
assert dir(package) == sorted(package.__all__)
try:
    package.AsynNexevo
except AttributeError as error:
    print(json.dumps(str(error)))
"""
    assert "AsynNexevo" in printed_by(script)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_one_to_type_checkers_too(package: str) -> None:
    """Else it is what `__getattr__` gives them: an object that nothing can be done with."""
    module = importlib.import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    known = {alias.asname or alias.name for node in imports for alias in node.names}
    assert known == set(module.__all__) - {"__version__"}


CONSTRUCTED = """
import json, time
from {} import {} as Client

def milliseconds():
    began = time.process_time()
    made = [Client("sk-xc-1") for _ in range(1000)]
    return (time.process_time() - began) * 1000

# The best of some: the machine may have something else to do.
print(json.dumps(min(milliseconds() for _ in range(10))))
"""


@pytest.mark.parametrize("client", ["nexevo_async.AsyncNexevo", "nexevo_sync.Nexevo"])
def test_a_thousand_clients_are_made_in_50_ms(client: str) -> None:
    package, _, name = client.partition(".")
    assert printed_by(CONSTRUCTED.format(package, name)) < 50

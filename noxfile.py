"""What a developer runs: ``nox -s demo``, ``nox -s tests``, ``nox --list`` for the rest."""

import re

import nox
from nox.project import dependency_groups, load_toml

nox.needs_version = ">=2025.10.16"
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.error_on_missing_interpreters = True

PYPROJECT = load_toml("pyproject.toml")
PROJECT = PYPROJECT["project"]
EXTRAS = ".[cli,sandbox,fastapi,otel,uvloop]"
PACKAGES = ("nexevo_async", "nexevo_sync")
PYTHONS = ["3.11", "3.12", "3.13"]
GENERATOR = "nexevo_sync/_generate.py"
# Many a test waits for another process.
PARALLEL = ("-n", "2")


def group(name: str) -> tuple[str, ...]:
    """Give the requirements of a dependency group: pip knows them only since 25.1."""
    return dependency_groups(PYPROJECT, name)


def install(session: nox.Session, *groups: str) -> None:
    session.install("-e", EXTRAS, *(r for name in groups for r in group(name)))


@nox.session
def demo(session: nox.Session) -> None:
    """Run the story of the SDK against the sandbox."""
    session.install("-e", ".[cli,sandbox]")
    session.run("nexevo", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests on the Python that runs nox."""
    install(session, "test")
    session.run("pytest", *PARALLEL, *session.posargs)


@nox.session(python=PYTHONS)
def tests_on(session: nox.Session) -> None:
    """Run the tests on each Python that is supported."""
    install(session, "test")
    session.run("pytest", *PARALLEL, *session.posargs)


@nox.session(python=PYTHONS[0])
def tests_min(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml declares."""
    extras = [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    lowest = [_lowest(r) for r in [*PROJECT["dependencies"], *extras]]
    session.install("-e", ".", *lowest, *group("test"))
    session.run("pytest", *PARALLEL, *session.posargs)


def _lowest(requirement: str) -> str:
    pinned, bounds = re.subn(r">=([^,;]+)(,[^;]+)?", r"==\1", requirement)
    if bounds != 1:
        raise ValueError(f"a dependency without a lower bound: {requirement}")
    return pinned


@nox.session
def neighbours(session: nox.Session) -> None:
    """Install the SDK beside what programs like ours have as well, and see it work there."""
    session.install(EXTRAS, *group("neighbours"))
    session.run("python", "-m", "pip", "check")
    names = [re.split(r"[>=]", requirement)[0] for requirement in group("neighbours")]
    script = f"import {', '.join(names).replace('-', '_')}, nexevo_sync.client"
    # Else litellm asks the network for its prices when it is imported.
    session.run("python", "-c", script, env={"LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    session.run("nexevo", "demo")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, the arrows between the packages, and that the sync client is up to date."""
    session.install("-e", EXTRAS, *group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")
    session.run("python", GENERATOR, "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types: of the packages, of code that uses them, and of every example."""
    install(session, "types")
    samples = [
        "tests/types",
        "tests/user_project",
        "docs/examples",
        "bench",
        "noxfile.py",
        "docs/conf.py",
        "docs/run_examples.py",
    ]
    examples = session.create_tmp()
    session.run("python", "docs/extract_examples.py", examples)
    session.run("mypy")
    session.run("mypy", *samples)
    session.run("mypy", examples)
    # Left alone, it takes the interpreter of a .venv beside it.
    pyright = ("basedpyright", "--pythonpath", f"{session.bin}/python")
    session.run(*pyright)
    session.run(*pyright, "tests/types", "tests/user_project", "docs/examples")
    for package in PACKAGES:
        session.run("basedpyright", "--verifytypes", package, "--ignoreexternal")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, and run every example in it, in README.md and in the docstrings."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-q", "docs", "docs/_build/html")
    plugin = ("-p", "docs.run_examples")
    session.run("python", "-m", "pytest", *plugin, "README.md", "docs", *PACKAGES)


@nox.session
def generate(session: nox.Session) -> None:
    """Write the sync client anew from the source of the async one."""
    session.run("python", GENERATOR, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure CPU time a request against aiohttp, httpx and openai; see bench/__main__.py."""
    install(session, "bench")
    session.run("python", "-m", "bench", *(session.posargs or ["--check"]))


@nox.session
def soak(session: nox.Session) -> None:
    """Call for minutes in every kind of trouble, and look for what is left; see bench/soak.py."""
    session.install("-e", EXTRAS)
    session.run("python", "-m", "bench.soak", *session.posargs)
    session.run("python", "-m", "bench.memory")

import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import cyclopts

from nexevo_async.errors import ConfigurationError
from nexevo_async.sandbox.gate import DEFAULT_RATE_LIMIT
from nexevo_async.testing import Sandbox

UPSTREAM_KEY: Final = "NEXEVO_UPSTREAM_KEY"
_READY: Final = """\
Nexevo sandbox ready at {base_url}

  export NEXEVO_BASE_URL={base_url}
  export NEXEVO_API_KEY={api_key}

  owner     {email}
  password  {password}
  limit     {limit}
  state     {state}
  models    {models}

Ctrl-C stops it."""


def sandbox(
    *,
    port: int = 8642,
    db: Path | None = None,
    api_key: str | None = None,
    rate_limit: int = DEFAULT_RATE_LIMIT,
    seed: int | None = None,
    upstream: str | None = None,
    upstream_key: Annotated[str | None, cyclopts.Parameter(env_var=UPSTREAM_KEY)] = None,
) -> None:
    """Run a local Nexevo gateway with real state, until Ctrl-C.

    Args:
        port: The port to listen at, on this machine only; 0 is any that is free.
        db: A file for the state, which is then there again at the next start; the file beside it
            whose name ends in .secret belongs to it.
        api_key: The owner's API key; without it, a fresh one is made and shown.
        rate_limit: Requests that a key may send a minute; 0 is no limit.
        seed: With what the draws begin by which the router chooses a model; without it, they differ
            each time.
        upstream: The base URL of a server that speaks OpenAI's format, which then answers where a
            request names a model; the aliases stay with the built-in one.
        upstream_key: The key that the upstream wants. Give it in the environment: everybody on the
            machine can see the arguments of a command.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    try:
        gateway = Sandbox(
            port=port,
            db=db,
            api_key=api_key,
            rate_limit_rpm=rate_limit or None,
            seed=seed,
            upstream=upstream,
            upstream_key=upstream_key,
        )
        with gateway:
            print(
                _READY.format(
                    base_url=gateway.base_url,
                    api_key=gateway.api_key,
                    email=gateway.email,
                    password=gateway.password,
                    limit=f"{rate_limit} requests a minute" if rate_limit else "none",
                    state=db or "in memory",
                    models=f"from {upstream}; nexevo/* built in" if upstream else "built in",
                ),
                flush=True,
            )
            # In slices: on Windows nothing interrupts a wait.
            while not stop.wait(0.5):
                pass
    except (ConfigurationError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from network_support import KINDS, Authority, Kind


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each way to call: either client, plain and streamed."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no store of this machine knows."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Without what this machine says of proxies and certificates."""
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith("SSL_CERT_") or name == "NETRC":
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return tmp_path / "some.pem"

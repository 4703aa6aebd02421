"""Which calls go through a proxy, and what it may know."""

import contextlib
import logging
import socket
import traceback
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
from network_support import KEY, KINDS, Authority, Kind
from proxy_server import Proxy, proxying
from raw_server import RawServer, serving

from nexevo_async import (
    TLS,
    APIConnectionError,
    APITimeoutError,
    AsyncNexevo,
    ConfigurationError,
    RetryPolicy,
    Timeouts,
)
from nexevo_async.transport.proxy import proxy_for

ONE = KINDS[0]
SECRET = "canary-pass%C3%A9"


@attrs.define
class Network:
    """A gateway that only a proxy can reach, as its name is known to that alone."""

    gateway: RawServer
    proxy: Proxy
    tls: TLS

    @property
    def url(self) -> str:
        return f"{self.gateway.scheme}://gateway.test/v1"


@contextlib.asynccontextmanager
async def network(
    kind: Kind, authority: Authority, scheme: str, *, proxy_scheme: str = "http", **settings: Any
) -> AsyncIterator[Network]:
    of_gateway = authority.server("gateway.test") if scheme == "https" else None
    of_proxy = authority.server("127.0.0.1") if proxy_scheme == "https" else None
    async with serving(kind.answer, tls=of_gateway) as gateway:
        ports = dict.fromkeys(["gateway.test", "gateway.test:443"], gateway.port)
        async with proxying(ports, tls=of_proxy, **settings) as proxy:
            yield Network(gateway, proxy, TLS(ca_file=authority.file))


SCHEMES = pytest.mark.parametrize("scheme", ["http", "https"])


class TestWayThere:
    @SCHEMES
    @pytest.mark.parametrize(
        "said_by", ["variable", "lower case", "ALL_PROXY", "argument", "no scheme"]
    )
    async def test_a_proxy_is_used(self, kind, authority, monkeypatch, scheme, said_by):
        async with network(kind, authority, scheme) as net:
            config: dict[str, Any] = {"tls": net.tls}
            variable = f"{scheme}_proxy".upper()
            if said_by == "argument":
                config["proxy"] = net.proxy.url
                monkeypatch.setenv(variable, "http://127.0.0.1:1")
            elif said_by == "lower case":
                monkeypatch.setenv(variable, "http://127.0.0.1:1")
                monkeypatch.setenv(variable.lower(), net.proxy.url)
            elif said_by == "no scheme":
                monkeypatch.setenv(variable, net.proxy.url.removeprefix("http://"))
            else:
                name = variable if said_by == "variable" else said_by
                monkeypatch.setenv(name, net.proxy.url)
            await kind(net.url, **config)
            (seen,) = net.gateway.seen
            assert seen.header("authorization") == f"Bearer {KEY}"
            (asked,) = net.proxy.asked
            path = seen.target.removeprefix("http://gateway.test")
            method = seen.head.split(" ")[0]
            assert path.startswith("/v1/")
            assert asked == (
                "CONNECT gateway.test:443 HTTP/1.1"
                if scheme == "https"
                else f"{method} http://gateway.test{path} HTTP/1.1"
            )
            if scheme == "https":
                assert KEY not in net.proxy.heads[0]

    @SCHEMES
    async def test_a_proxy_may_speak_tls_itself(self, kind, authority, scheme):
        async with network(kind, authority, scheme, proxy_scheme="https") as net:
            await kind(net.url, tls=net.tls, proxy=net.proxy.url)
            assert (len(net.proxy.asked), len(net.gateway.seen)) == (1, 1)

    @pytest.mark.parametrize(
        ("no_proxy", "host"),
        [
            ("gateway.test", "gateway.test"),
            ("gateway.test", "eu.gateway.test"),
            (".gateway.test", "eu.gateway.test"),
            ("else.test, gateway.test:80", "gateway.test"),
            ("GATEWAY.TEST", "gateway.test"),
            ("*", "gateway.test"),
            ("192.0.2.0/24", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8::/32", "[2001:db8::7]"),
            ("2001:db8::7", "[2001:db8::7]"),
            ("[2001:db8::7]", "[2001:db8::7]"),
            ("", "localhost"),
            ("", "127.0.0.1"),
            ("", "[::1]"),
        ],
    )
    def test_it_is_not_used_for_these(self, monkeypatch, no_proxy, host):
        monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:3128")
        monkeypatch.setenv("NO_PROXY", no_proxy)
        assert proxy_for(f"http://{host}/v1", None) is None

    async def test_no_proxy_leads_past_it(self, authority, monkeypatch):
        def at_home(_: str, port: int, *__: Any, **___: Any) -> Any:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", at_home)
        async with network(ONE, authority, "http") as net:
            monkeypatch.setenv("HTTP_PROXY", net.proxy.url)
            monkeypatch.setenv("NO_PROXY", "gateway.test")
            await ONE(f"http://gateway.test:{net.gateway.port}/v1")
            assert (len(net.proxy.asked), len(net.gateway.seen)) == (0, 1)

    @pytest.mark.parametrize(
        ("no_proxy", "host"),
        [
            ("teway.test", "gateway.test"),
            ("gateway.test:2", "gateway.test:1"),
            ("192.0.2.0/24", "192.0.3.7"),
            ("192.0.2.0/24,nonsense/8,,", "gateway.test"),
            ("2001:db8::/32", "[2001:db9::7]"),
        ],
    )
    async def test_and_is_for_these(self, authority, monkeypatch, no_proxy, host):
        async with network(ONE, authority, "http", refusal=403) as net:
            monkeypatch.setenv("HTTP_PROXY", net.proxy.url)
            monkeypatch.setenv("NO_PROXY", no_proxy)
            with pytest.raises(Exception, match="403"):
                await ONE(f"http://{host}/v1")
            assert len(net.proxy.asked) == 1

    async def test_each_base_url_has_its_own_way_as_the_environment_is_then(
        self, authority, monkeypatch
    ):
        async with network(ONE, authority, "http") as net, serving(ONE.answer) as direct:
            async with AsyncNexevo(KEY, base_url=direct.base_url) as client:
                await client.models.list()
                monkeypatch.setenv("HTTP_PROXY", net.proxy.url)
                view = client.with_options(base_url=net.url)
                await view.models.list()
                monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
                await view.models.list()
                await client.models.list()
            assert (len(net.proxy.asked), len(net.gateway.seen), len(direct.seen)) == (1, 2, 2)


class TestCredentials:
    @SCHEMES
    async def test_the_proxy_alone_gets_them(self, kind, authority, monkeypatch, caplog, scheme):
        caplog.set_level(logging.DEBUG)
        async with network(kind, authority, scheme, credentials="us er:canary-pass\u00e9") as net:
            monkeypatch.setenv(f"{scheme.upper()}_PROXY", net.proxy.url_with(f"us%20er:{SECRET}"))
            await kind(net.url, tls=net.tls)
            assert len(net.gateway.seen) == 1
            assert "canary-pass" not in net.proxy.asked[0] + net.gateway.seen[0].head
        assert "canary-pass" not in "".join(f"{vars(r)}{r.getMessage()}" for r in caplog.records)

    @SCHEMES
    async def test_without_them_the_error_says_so_once(self, kind, authority, scheme):
        async with network(kind, authority, scheme, credentials="user:right") as net:
            with pytest.raises(APIConnectionError) as caught:
                await kind(net.url, tls=net.tls, proxy=net.proxy.url_with("user:canary-wrong"))
            assert (len(net.proxy.asked), len(net.gateway.seen)) == (1, 0)
        error = caught.value
        assert (error.attempts, error.never_sent, error.outcome_unknown) == (1, True, False)
        assert (
            f"through the proxy {net.proxy.url} failed: the proxy refused with status 407"
            in str(error)
        )
        assert "as proxy=, or in HTTPS_PROXY" in str(error)
        assert_not_shown("canary-wrong", error)

    async def test_a_netrc_changes_nothing(self, kind, authority, monkeypatch, pem):
        pem.write_text("default login canary password canary\n")
        monkeypatch.setenv("NETRC", str(pem))
        async with network(kind, authority, "http") as net:
            monkeypatch.setenv("HTTP_PROXY", net.proxy.url)
            await kind(net.url)
            assert net.gateway.seen[0].header("authorization") == f"Bearer {KEY}"
            assert net.gateway.seen[0].header("proxy-authorization") is None
        async with serving(kind.answer) as direct:
            await kind(direct.base_url)
            assert direct.seen[0].header("authorization") == f"Bearer {KEY}"


def assert_not_shown(secret: str, error: Exception) -> None:
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame.locals for frame in shown.stack if "/nexevo_async/" in frame.filename]
    assert ours
    assert error.__suppress_context__ or error.__context__ is None
    assert secret not in f"{error}{vars(error)}{ours}"


class TestTrouble:
    @SCHEMES
    async def test_a_dead_proxy_is_named(self, kind, scheme):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            proxy = f"127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(APIConnectionError) as caught:
                await kind(
                    f"{scheme}://gateway.test/v1",
                    proxy=f"http://user:{SECRET}@{proxy}",
                    max_retries=0,
                )
        assert f"through the proxy http://{proxy} could not connect: " in str(caught.value)
        assert (caught.value.never_sent, caught.value.outcome_unknown) == (True, False)
        assert_not_shown(SECRET, caught.value)

    @pytest.mark.parametrize(("refusal", "attempts"), [(403, 1), (502, 2), (503, 2)])
    async def test_a_refused_tunnel_was_never_sent(self, kind, authority, refusal, attempts):
        async with network(kind, authority, "https", refusal=refusal) as net:
            with pytest.raises(
                APIConnectionError, match=f"refused with status {refusal}"
            ) as caught:
                await kind(
                    net.url, proxy=net.proxy.url, max_retries=1, retry=RetryPolicy(base_delay=0)
                )
            assert len(net.proxy.asked) == attempts
        assert (caught.value.never_sent, caught.value.outcome_unknown) == (True, False)

    async def test_a_silent_proxy_ends_at_connect(self, kind):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(
                APITimeoutError, match=f"through the proxy {proxy} could not"
            ) as caught:
                await kind(
                    "https://gateway.test/v1",
                    proxy=proxy,
                    max_retries=0,
                    timeouts=Timeouts(connect=0.2),
                )
        assert caught.value.limit == "connect"

    async def test_a_certificate_is_refused_behind_a_proxy_as_well(self, kind, authority):
        async with network(kind, authority, "https") as net:
            with pytest.raises(
                APIConnectionError, match=r"certificate of gateway\.test:443"
            ) as caught:
                await kind(net.url, proxy=net.proxy.url, max_retries=3)
            assert len(net.proxy.asked) == 1
        assert f"through the proxy {net.proxy.url} failed: " in str(caught.value)


BAD = [
    ("socks5://user:canary-pass@p:1080", "names a SOCKS proxy, which is not supported"),
    ("socks5h://p:1080", "names a SOCKS proxy"),
    ("ftp://p:21", "must begin with http:// or https://"),
    ("http://", "must be scheme, host and port"),
    ("http://p:port", "must be scheme, host and port"),
    ("http://p:99999", "must be scheme, host and port"),
    ("http://user:canary#pass@p:3128", "percent-encode every character"),
    ("http://user:canary/pass@p:3128", "percent-encode every character"),
    ("http://p:3128/path", "must be scheme, host and port"),
    ("http://p 3128", "must be scheme, host and port"),
    ("http://us\u00e9r:canary-pass@p:3128", "percent-encode every character"),
]


class TestWrongUrls:
    @pytest.mark.parametrize(("url", "says"), [*BAD, ("p:3128", "must begin with http://")])
    def test_an_argument_is_refused_at_once(self, url, says):
        with pytest.raises(ValueError, match=f"^proxy .*{says}") as caught:
            AsyncNexevo(KEY, proxy=url)
        assert "canary" not in str(caught.value)

    def test_what_is_no_string_is_refused_at_once(self):
        with pytest.raises(TypeError, match="proxy must be a string such as"):
            AsyncNexevo(KEY, proxy={"https": "http://p:3128"})  # type: ignore[arg-type]

    @pytest.mark.parametrize(("url", "says"), BAD)
    @pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
    async def test_a_variable_is_named_by_the_call(self, monkeypatch, variable, url, says):
        monkeypatch.setenv(variable, url)
        with pytest.raises(ConfigurationError, match=f"^{variable} .*{says}.*NO_PROXY") as caught:
            await ONE("https://gateway.test/v1")
        assert_not_shown("canary", caught.value)

    def test_the_client_does_not_show_it(self):
        client = AsyncNexevo(KEY, proxy=f"http://user:{SECRET}@p:3128/")
        assert SECRET not in f"{client!r}{client._caller.config!r}"

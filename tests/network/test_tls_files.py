"""The certificates and keys that a user has in files: shown, or of no use."""

import contextlib
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from network_support import KEY, KINDS, Authority, at_localhost
from raw_server import serving

from nexevo_async import TLS, APIConnectionError, AsyncNexevo, ConfigurationError

ONE = KINDS[0]
PASSWORD = "canary-password"


def encrypt(source: Path, target: Path) -> None:
    key = serialization.load_pem_private_key(source.read_bytes(), None)
    target.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
    )


@contextlib.contextmanager
def demanding(tls: ssl.SSLContext) -> Iterator[tuple[str, list[int]]]:
    """Serve handshakes on a blocking socket: asyncio's own server would not send the alert."""
    accepted: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):  # the listener was closed
                while True:
                    connection, (_, port) = listener.accept()
                    accepted.append(port)
                    with connection:
                        try:
                            tls.wrap_socket(connection.dup(), server_side=True).close()
                        except ssl.SSLError:
                            connection.shutdown(socket.SHUT_WR)
                            while connection.recv(4096):  # else a reset would eat the alert
                                pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://localhost:{listener.getsockname()[1]}/v1", accepted
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


class TestFilesThatCannotBeUsed:
    """The call says so before it opens a connection, and works once they are right."""

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (None, "cannot be read: No such file or directory"),
            ("", "is no PEM bundle of certificate authorities"),
            ("hello", "is no PEM bundle of certificate authorities"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "is no PEM bundle of certificate authorities"),
            ("a folder", "cannot be read: Is a directory"),
        ],
    )
    async def test_as_authorities(self, kind, authority, pem, content, says):
        if content == "a folder":
            pem.mkdir()
        elif content is not None:
            pem.write_text(content)
        async with serving(kind.answer, tls=authority.server()) as server:
            with pytest.raises(ConfigurationError) as caught:
                await kind(at_localhost(server), tls=TLS(ca_file=str(pem)))
            assert str(caught.value) == f"tls=TLS(ca_file=…): {pem} {says}."
            assert authority.handshakes == []

    async def test_a_client_works_once_they_are_right(self, authority, pem):
        async with serving(ONE.answer, tls=authority.server()) as server:
            client = AsyncNexevo(KEY, base_url=at_localhost(server), tls=TLS(ca_file=pem))
            async with client:
                with pytest.raises(ConfigurationError):
                    await client.models.list()
                shutil.copy(authority.file, pem)
                await client.models.list()

    @pytest.mark.parametrize(
        ("trouble", "says"),
        [
            ("gone", "cannot be read: No such file or directory"),
            ("garbage", "not a certificate and its key, in PEM form"),
            ("without a key", "not a certificate and its key, in PEM form"),
            ("another's key", "the key belongs to another certificate"),
            ("encrypted", r"the key is encrypted\. Decrypt it, or load it yourself"),
        ],
    )
    async def test_as_a_client_certificate(self, kind, authority, pem, trouble, says):
        cert, key = authority.client(), pem
        if trouble == "garbage":
            pem.write_text("hello")
        elif trouble == "without a key":
            cert, key = authority.file, None
        elif trouble == "another's key":
            key = authority.client("another")
        elif trouble == "encrypted":
            encrypt(cert, pem)
        async with serving(kind.answer, tls=authority.server()) as server:
            tls = TLS(ca_file=authority.file, client_cert=cert, client_key=key)
            with pytest.raises(ConfigurationError, match=says) as caught:
                await kind(at_localhost(server), tls=tls)
            assert str(cert) in str(caught.value)
            assert authority.handshakes == []


class TestClientCertificates:
    @pytest.mark.parametrize("form", ["one file", "two files", "with a password"])
    async def test_it_is_shown(self, kind, authority, pem, form):
        cert = authority.client()
        tls = TLS(ca_file=authority.file, client_cert=cert)
        if form == "two files":
            tls = TLS(ca_file=authority.file, client_cert=cert, client_key=cert)
        elif form == "with a password":
            encrypt(cert, pem)

            def with_password() -> ssl.SSLContext:
                context = ssl.create_default_context(cafile=authority.file)
                context.load_cert_chain(cert, pem, password=PASSWORD)
                return context

            tls = TLS(context=with_password)
        async with serving(kind.answer, tls=authority.server(clients=authority)) as server:
            await kind(at_localhost(server), tls=tls)
            assert len(server.seen) == 1

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize("cert", ["none", "of an unknown authority"])
    async def test_without_one_that_is_trusted_the_error_says_so(
        self, kind, authority, tmp_path, version, cert
    ):
        tls = TLS(ca_file=authority.file)
        if cert != "none":
            tls = TLS(ca_file=authority.file, client_cert=Authority(tmp_path).client())
        with demanding(authority.server(clients=authority, newest=version)) as (url, accepted):
            with pytest.raises(APIConnectionError) as caught:
                await kind(url, max_retries=3, tls=tls)
        assert len(accepted) == 1
        assert (caught.value.attempts, caught.value.retryable) == (1, False)
        assert "failed in the TLS handshake: " in str(caught.value)
        assert "tls=TLS(client_cert=…)" in str(caught.value)
        if cert != "none":
            assert "unknown ca" in str(caught.value).lower()
        elif version is ssl.TLSVersion.TLSv1_3:
            assert "certificate required" in str(caught.value)

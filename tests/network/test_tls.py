"""Whom a connection trusts, and what a user reads when it does not."""

import asyncio
import hashlib
import pickle
import shutil
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import truststore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from network_support import KEY, KINDS, Authority, at_localhost
from raw_server import serving

from nexevo_async import TLS, APIConnectionError, AsyncNexevo, ConfigurationError
from nexevo_async.transport import tls as contexts

ONE = KINDS[0]
PATHS = ssl.get_default_verify_paths()
STORES = [path for path in (PATHS.openssl_cafile, PATHS.openssl_capath) if Path(path).exists()]


def hashed(authority: Authority, folder: Path) -> Path:
    """Put the authority's certificate into a folder under the name that OpenSSL looks for."""
    folder.mkdir()
    subject = x509.load_pem_x509_certificate(authority.file.read_bytes()).subject
    plain = [x509.NameAttribute(a.oid, " ".join(str(a.value).lower().split())) for a in subject]
    encoded = x509.Name(plain).public_bytes()
    assert encoded[1] < 0x80  # else the length that is cut off would have more bytes
    number = int.from_bytes(hashlib.sha1(encoded[2:]).digest()[:4], "little")  # noqa: S324
    shutil.copy(authority.file, folder / f"{number:08x}.0")
    return folder


@pytest.mark.parametrize("source", ["ca_file", "context", "SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_each_source_of_trust_works(kind, authority, source, monkeypatch, tmp_path):
    tls = None
    if source == "ca_file":
        tls = TLS(ca_file=authority.file)
    elif source == "context":
        tls = TLS(context=lambda: ssl.create_default_context(cafile=authority.file))
    elif source == "SSL_CERT_FILE":
        monkeypatch.setenv(source, str(authority.file))
    else:
        monkeypatch.setenv(source, str(hashed(authority, tmp_path / "store")))
    async with serving(kind.answer, tls=authority.server()) as server:
        await kind(at_localhost(server), tls=tls)
        assert [seen.header("authorization") for seen in server.seen] == [f"Bearer {KEY}"]


async def test_the_systems_own_verification_can_be_had(authority, monkeypatch, kind):
    def system() -> ssl.SSLContext:
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with serving(kind.answer, tls=authority.server()) as server:
        await kind(at_localhost(server), tls=TLS(context=system))
    monkeypatch.delenv("SSL_CERT_FILE")
    async with serving(kind.answer, tls=authority.server()) as server:
        with pytest.raises(APIConnectionError, match="was refused: ") as caught:
            await kind(at_localhost(server), tls=TLS(context=system))
    assert (caught.value.attempts, caught.value.retryable) == (1, False)


async def test_an_unknown_authority_is_tried_once_and_told_in_full(kind, authority):
    async with serving(kind.answer, tls=authority.server()) as server:
        with pytest.raises(APIConnectionError) as caught:
            await kind(at_localhost(server), max_retries=3)
        assert (len(authority.handshakes), server.connections) == (1, 0)
    error = caught.value
    assert (error.attempts, error.never_sent, error.outcome_unknown) == (1, True, False)
    for part in (
        f"the certificate of localhost:{server.port}, issued by 'Nexevo Tests, Testing CA #",
        "was refused: unable to get local issuer certificate",
        f"trust comes from {' and '.join(STORES) or 'nowhere'}",
        "tls=TLS(ca_file=…) or SSL_CERT_FILE",
    ):
        assert part in str(error)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("ca_file", "trust comes from tls=TLS(ca_file='{other}')"),
        ("SSL_CERT_FILE", "trust comes from SSL_CERT_FILE={other} and "),
        ("gone", "trust comes from SSL_CERT_FILE={other} (which does not exist) and "),
        ("SSL_CERT_DIR", "SSL_CERT_DIR={other} (which does not exist)"),
    ],
)
async def test_it_is_said_where_trust_comes_from(authority, pem, monkeypatch, setting, says):
    if setting in {"ca_file", "SSL_CERT_FILE"}:
        shutil.copy(Authority(pem.parent).file, pem)
    if setting != "ca_file":
        monkeypatch.setenv("SSL_CERT_FILE" if setting == "gone" else setting, str(pem))
    async with serving(ONE.answer, tls=authority.server()) as server:
        with pytest.raises(APIConnectionError) as caught:
            await ONE(at_localhost(server), tls=TLS(ca_file=pem) if setting == "ca_file" else None)
    assert says.format(other=pem) in str(caught.value)


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("name", r"not valid for 'localhost'\. \[.* Check base_url: whoever answers there"),
        ("address", r"not valid for '127\.0\.0\.1'\. \[.* Check base_url: whoever answers there"),
        ("expired", r"certificate has expired\. \[.* Check this machine's clock"),
        ("not yet", r"certificate is not yet valid\. \[.* Check this machine's clock"),
    ],
)
async def test_another_name_or_time_is_told_as_such(kind, authority, trouble, says):
    names = ["elsewhere.example"] if trouble in {"name", "address"} else []
    since = datetime(2100, 1, 1, tzinfo=UTC) if trouble == "not yet" else None
    until = datetime(2021, 1, 1, tzinfo=UTC) if trouble == "expired" else None
    context = authority.server(*names, since=since, until=until)
    async with serving(kind.answer, tls=context) as server:
        url = server.base_url if trouble == "address" else at_localhost(server)
        with pytest.raises(APIConnectionError, match=says) as caught:
            await kind(url, max_retries=3, tls=TLS(ca_file=authority.file))
        assert (len(authority.handshakes), server.connections) == (1, 0)
    assert caught.value.attempts == 1
    assert "ca_file" not in str(caught.value)


def issued_by_a_lax_authority(ca_file: Path) -> Path:
    """Write an authority that forgot to call its constraints critical, and a certificate of it."""
    key = ec.generate_private_key(ec.SECP256R1())

    def signed(subject: str, *extensions: x509.ExtensionType) -> x509.Certificate:
        of, by = (
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
            for name in (subject, "Lax")
        )
        builder = x509.CertificateBuilder(by, of, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        builder = builder.not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(key, hashes.SHA256())

    ca = signed("Lax", x509.BasicConstraints(ca=True, path_length=None))
    leaf = signed("server", x509.SubjectAlternativeName([x509.DNSName("localhost")]))
    pem = serialization.Encoding.PEM
    ca_file.write_bytes(ca.public_bytes(pem))
    both = ca_file.with_name("leaf.pem")
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    both.write_bytes(key.private_bytes(pem, *plain) + leaf.public_bytes(pem))
    return both


async def test_an_authority_that_python_3_13_refuses_can_be_had(authority, pem):
    leaf = issued_by_a_lax_authority(pem)

    def strict() -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=pem)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    def lenient() -> ssl.SSLContext:
        context = strict()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    context = authority.server()
    context.load_cert_chain(leaf)
    async with serving(ONE.answer, tls=context) as server:
        with pytest.raises(APIConnectionError, match=r"clear ssl\.VERIFY_X509_STRICT"):
            await ONE(at_localhost(server), tls=TLS(context=strict))
        await ONE(at_localhost(server), tls=TLS(context=lenient))


class TestContexts:
    async def test_one_a_setting_and_process_whoever_asks(self, authority, monkeypatch):
        made: list[int] = []
        original = ssl.create_default_context

        def counted(**kwargs: Any) -> ssl.SSLContext:
            made.append(threading.get_ident())
            return original(**kwargs)

        contexts._made.clear()
        monkeypatch.setattr(ssl, "create_default_context", counted)
        async with serving(ONE.answer, tls=authority.server()) as server:
            calls = [
                kind(at_localhost(server), tls=TLS(ca_file=str(authority.file)))
                for kind in KINDS
                if not kind.stream
                for _ in range(10)
            ]
            await asyncio.gather(*calls)
            await asyncio.to_thread(
                asyncio.run, ONE(at_localhost(server), tls=TLS(ca_file=str(authority.file)))
            )
        assert len(made) == 1
        assert made[0] != threading.get_ident()

    async def test_a_file_that_was_renewed_is_read_again(self, authority, pem):
        shutil.copy(Authority(pem.parent).file, pem)
        async with serving(ONE.answer, tls=authority.server()) as server:
            with pytest.raises(APIConnectionError):
                await ONE(at_localhost(server), tls=TLS(ca_file=pem))
            shutil.copy(authority.file, pem)
            await ONE(at_localhost(server), tls=TLS(ca_file=pem))

    async def test_those_of_functions_are_not_kept_for_ever(self):
        for _ in range(2 * contexts._KEPT):
            contexts.trust(TLS(context=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))
        assert len(contexts._made) == contexts._KEPT

    async def test_a_view_on_https_trusts_what_its_client_was_told(self, authority):
        """The session was made for http, when there was nothing to trust."""
        tls = TLS(ca_file=authority.file, client_cert=authority.client())
        async with serving(ONE.answer) as plain:
            async with serving(ONE.answer, tls=authority.server(clients=authority)) as server:
                async with AsyncNexevo(KEY, base_url=plain.base_url, tls=tls) as client:
                    view = client.with_options(base_url=at_localhost(server))
                    await client.models.list()
                    await view.models.list()
                    await client.models.list()
                assert (len(plain.seen), len(server.seen)) == (2, 1)

    async def test_a_pickled_client_trusts_the_same(self, authority, monkeypatch):
        monkeypatch.setenv("NEXEVO_API_KEY", KEY)
        tls = TLS(ca_file=authority.file)
        async with serving(ONE.answer, tls=authority.server()) as server:
            client = AsyncNexevo(KEY, base_url=at_localhost(server), tls=tls)
            async with pickle.loads(pickle.dumps(client)) as again:  # noqa: S301 - our own
                await again.models.list()

    @pytest.mark.parametrize(
        ("function", "says"),
        [
            (lambda: None, "gave NoneType, not an SSLContext"),
            (ssl._create_unverified_context, "does not verify certificates"),
        ],
    )
    async def test_a_function_must_give_one_that_verifies(self, kind, authority, function, says):
        async with serving(kind.answer, tls=authority.server()) as server:
            with pytest.raises(ConfigurationError, match=says):
                await kind(at_localhost(server), tls=TLS(context=function))
            assert authority.handshakes == []


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"ca_file": b"ca.pem"}, TypeError, "ca_file must be the path of a file, not bytes"),
        ({"client_cert": ("a", "b")}, TypeError, "client_cert must be the path of a file"),
        ({"client_key": "key.pem"}, ValueError, "client_key needs client_cert"),
        ({"context": ssl.create_default_context()}, TypeError, "must be a function that makes"),
        ({"context": print, "ca_file": "ca.pem"}, ValueError, "context stands alone"),
    ],
)
def test_wrong_settings_are_refused_at_once(arguments, error, says):
    with pytest.raises(error, match=says):
        TLS(**arguments)

import functools
import ssl

from nexevo_async.config import TLS


@functools.cache
def context(tls: TLS | None) -> ssl.SSLContext:
    """Give the one TLS context of this process for a setting; making it takes about 30 ms."""
    made = ssl.create_default_context(cafile=tls.ca_file if tls else None)
    if tls is not None and tls.client_cert is not None:
        made.load_cert_chain(tls.client_cert, tls.client_key)
    return made

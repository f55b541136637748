"""An identity provider on this machine: HTTPS with a CA of its own, a configuration, keys, and tokens."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from base64 import urlsafe_b64encode
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from itertools import cycle
from typing import TYPE_CHECKING, Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

ALL = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]
USUAL_BITS = 2048
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


@cache
def _usual_keys() -> Iterator[RSAKey]:
    """Keys of which any eight in a row differ: to make one takes 0.1 s."""
    return cycle([RSAKey.generate_key(USUAL_BITS) for _ in range(8)])


class Authority:
    """A CA and the certificates it signs."""

    def __init__(self, folder: Path, name: str = "A CA of tests") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._signed(self._name, self._key, is_authority=True)
        self.file = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:8]}.crt"
        self.file.write_bytes(self._pem(self._certificate))

    @property
    def thumbprint(self) -> str:
        """Its SHA-1."""
        return self._certificate.fingerprint(hashes.SHA1()).hex()

    def server(self, *names: str, age: timedelta = timedelta(), sends_authority: bool = True) -> ssl.SSLContext:
        """What a server of some names needs; an old certificate is over after a year."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        leaf = self._signed(subject, key, names, age=age)
        path = self.folder / f"server-{leaf.serial_number}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(secret + self._pem(leaf) + (self._pem(self._certificate) if sends_authority else b""))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: Sequence[str] = (),
        *,
        is_authority: bool = False,
        age: timedelta = timedelta(),
    ) -> x509.Certificate:
        begins = datetime.now(UTC) - timedelta(hours=1) - age
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if is_authority:
            usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_name, names))), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    @staticmethod
    def _pem(certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM)


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


Answer = tuple[int, dict[str, str], bytes]


class Https:
    """A server that answers each path as it is told, and counts what it was asked."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.answers: dict[str, Answer | Callable[[Any], None]] = {}
        self.asked: list[str] = []
        self.hosts: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 20

            def do_GET(self) -> None:
                server.asked.append(self.path)
                server.hosts.append(self.headers["Host"])
                answer = server.answers.get(self.path, (404, {}, b""))
                if callable(answer):
                    answer(self)
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                pass  # clients that hang up are what some tests are about

        self._server = Server(("127.0.0.1", 0), Handler)
        # The handshake is made by the thread of the connection: a slow one must not keep the others.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop; connections are refused from now on."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            with suppress(OSError):
                self._server.server_close()


class Issuer:
    """An identity provider at `https://localhost:PORT`, or below a path there."""

    def __init__(self, authority: Authority, path: str = "", **server: Any) -> None:
        self.https = Https(authority.server("localhost", **server))
        self.host = f"localhost:{self.https.port}{path}"
        self.url = f"https://{self.host}"
        self.keys: dict[str, RSAKey | ECKey] = {}
        self.headers: dict[str, str] = {}
        self._path = path.rstrip("/")
        self.configuration = {"issuer": self.url, "jwks_uri": f"{self.url.rstrip('/')}/keys"}
        self.add_key("first", "RS256")

    @property
    def asked(self) -> list[str]:
        """What it was asked for, without its own path."""
        return [path.rpartition("/")[2] for path in self.https.asked]

    def add_key(self, kid: str, algorithm: str, size: int = USUAL_BITS) -> None:
        """Sign with one more key."""
        curve = CURVES.get(algorithm)
        if curve:
            self.keys[kid] = ECKey.generate_key(curve)
        else:
            self.keys[kid] = next(_usual_keys()) if size == USUAL_BITS else RSAKey.generate_key(size)
        self.publish()

    def publish(self, keys: object = None) -> None:
        """Tell the public keys, or something else in their place."""
        published = [
            {**key.as_dict(private=False), "kid": kid, "use": "sig"} for kid, key in self.keys.items()
        ] if keys is None else keys  # fmt: skip
        self.https.answers[f"{self._path}/.well-known/openid-configuration"] = (
            200, {}, json.dumps(self.configuration).encode(),
        )  # fmt: skip
        self.https.answers[f"{self._path}/keys"] = (200, self.headers, json.dumps({"keys": published}).encode())

    def claims(self, now: datetime | None = None, **changed: object) -> dict[str, object]:
        """What a token says, changed; a claim that is None is left out."""
        seconds = int((now or datetime.now(UTC)).timestamp())
        plain = {"iss": self.url, "sub": "somebody", "aud": "sts.amazonaws.com", "iat": seconds, "nbf": seconds,
                 "exp": seconds + 600}  # fmt: skip
        return {name: value for name, value in (plain | changed).items() if value is not None}

    def token(self, claims: dict[str, object], kid: str = "first", algorithm: str = "RS256", **header: object) -> str:
        """A token, signed with one of its keys."""
        heading = {"alg": algorithm, "kid": kid, "typ": "JWT", **header}
        heading = {name: value for name, value in heading.items() if value is not None}
        registry = jws.JWSRegistry(algorithms=ALL, strict_check_header=False)
        registry.max_header_length = 10_000
        return jws.serialize_compact(heading, json.dumps(claims).encode(), self.keys[kid], registry=registry)

    def close(self) -> None:
        """Be down from now on."""
        self.https.close()


def part(value: object) -> str:
    """A part of a token that nobody signed."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()

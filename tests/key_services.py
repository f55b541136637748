"""Key services on this machine: moto's AWS KMS, and a stub of Vault's transit engine."""

from __future__ import annotations

import base64
import json
import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE22", "AWS_SECRET_ACCESS_KEY": "secret"}
ROLE = {"VAULT_ROLE_ID": "a-role", "VAULT_SECRET_ID": "its-secret"}


@contextmanager
def aws_kms():
    """moto's KMS; its URL and a client of it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "kms",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    try:
        yield url, client
    finally:
        client.close()
        server.stop()


class Transit:
    """What a Vault would keep, and what it was asked."""

    def __init__(self) -> None:
        self.keys: dict[str, list[bytes]] = {"holdfast": [os.urandom(32)]}
        self.tokens = {"root-token"}
        self.asked: list[tuple[str, str]] = []
        self.is_sealed = False

    def rotate(self) -> None:
        """`vault write -f transit/keys/holdfast/rotate`."""
        self.keys["holdfast"].append(os.urandom(32))

    def answer(self, method: str, path: str, token: str | None, members: dict) -> tuple[int, dict]:
        """Status and body, as the API documents them."""
        self.asked.append((method, path))
        if self.is_sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if path == "/v1/auth/approle/login":
            if members != {"role_id": "a-role", "secret_id": "its-secret"}:
                return 400, {"errors": ["invalid role or secret ID"]}
            self.tokens.add(f"token-{len(self.asked)}")
            return 200, {"auth": {"client_token": f"token-{len(self.asked)}", "lease_duration": 3600}}
        if token not in self.tokens:
            return 403, {"errors": ["permission denied"]}
        _, _, mount, what, name = path.split("/")
        if mount != "transit":
            return 404, {"errors": [f"no handler for route '{mount}/{what}/{name}'"]}
        versions = self.keys.get(name)
        if versions is None:
            return (404, {"errors": []}) if what == "keys" else (400, {"errors": ["encryption key not found"]})
        if what == "keys":
            return 200, {"data": {"name": name, "supports_encryption": True, "latest_version": len(versions)}}
        try:
            plain = members["plaintext"] if what == "encrypt" else self._open(versions, members["ciphertext"])
        except Exception:  # noqa: BLE001 - whatever is wrong with it
            return 400, {"errors": ["invalid ciphertext: unable to decrypt"]}
        if what == "decrypt":
            return 200, {"data": {"plaintext": plain}}
        nonce = os.urandom(12)
        sealed = nonce + AESGCM(versions[-1]).encrypt(nonce, plain.encode(), None)
        return 200, {"data": {"ciphertext": f"vault:v{len(versions)}:{base64.b64encode(sealed).decode()}"}}

    @staticmethod
    def _open(versions: list[bytes], ciphertext: str) -> str:
        _, version, sealed = ciphertext.split(":")
        raw = base64.b64decode(sealed)
        return AESGCM(versions[int(version[1:]) - 1]).decrypt(raw[:12], raw[12:], None).decode()


@contextmanager
def vault():
    """A stub of Vault; its address and what it keeps. No real one was to be had: it answers as the API documents."""
    transit = Transit()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            members = json.loads(self.rfile.read(length) or b"{}")
            status, body = transit.answer(self.command, self.path, self.headers.get("X-Vault-Token"), members)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST  # noqa: N815 - the name that the server calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", transit
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

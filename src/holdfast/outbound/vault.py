"""Keys of the transit engine of HashiCorp Vault or OpenBao, by its HTTP API ("Transit secrets engine (API)").

    VAULT_TOKEN                       a token
    VAULT_TOKEN_FILE                  a file that has one, read for each call: an agent may renew it
    VAULT_ROLE_ID, VAULT_SECRET_ID    AppRole: log in, and again when the token is refused
    VAULT_CACERT                      the CA that vouches for the server

The context of a secret stands behind the secret itself, under the same seal: rewrapping keeps it, whereas the engine's
`associated_data` would be lost there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

from holdfast.outbound.key_service import KeyRefused, KeyServiceDown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.key_urls import VaultAt

logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # each of its retries would be a line

KEY_BYTES = 32
ANSWER_BYTES = 64 * 1024
TIMEOUT = urllib3.Timeout(connect=2, read=3)
# What is asked may be asked twice. Nothing is sent to where an answer points.
RETRIES = urllib3.Retry(
    total=1, redirect=False, status_forcelist=(500, 502, 503), allowed_methods=None, raise_on_status=False,
    respect_retry_after_header=False,
)  # fmt: skip


class Vault:
    """A client of one transit engine; each process connects for itself."""

    keeps_named_keys = False

    def __init__(self, at: VaultAt, environment: Mapping[str, str]) -> None:
        self.own_key = f"vault:{at.mount}/{at.key}"
        self._at = at
        self._token = environment.get("VAULT_TOKEN", "")
        self._token_file = environment.get("VAULT_TOKEN_FILE", "")
        self._role = environment.get("VAULT_ROLE_ID", ""), environment.get("VAULT_SECRET_ID", "")
        self._ca = environment.get("VAULT_CACERT") or None
        self._lock = threading.Lock()
        self._made: tuple[int, urllib3.PoolManager | None] = (-1, None)
        if not (self._token or self._token_file or all(self._role)):
            raise KeyServiceDown("set VAULT_TOKEN, VAULT_TOKEN_FILE, or VAULT_ROLE_ID and VAULT_SECRET_ID")

    def describe(self, name: str) -> str:
        """The name of a key that can encrypt."""
        told = self._call("GET", "keys", name)
        if not told.get("supports_encryption", True):
            raise KeyRefused("InvalidKeyUsageException", f"{name} does not encrypt")
        return name

    def generate(self, key: str, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        """A fresh 256-bit secret, and the same sealed."""
        secret = os.urandom(KEY_BYTES)
        return secret, self.encrypt(key, secret, context)

    def encrypt(self, key: str, secret: bytes, context: Mapping[str, str]) -> bytes:
        """A secret sealed."""
        plaintext = base64.b64encode(secret + _proof(context)).decode()
        return _ciphertext(self._call("POST", "encrypt", key, plaintext=plaintext))

    def decrypt(self, key: str, sealed: bytes, context: Mapping[str, str]) -> bytes:
        """What was sealed for the same context."""
        told = self._call("POST", "decrypt", key, ciphertext=sealed.decode())
        try:
            plain = base64.b64decode(told["plaintext"], validate=True)
        except (KeyError, TypeError, ValueError):
            raise KeyServiceDown("Vault answered without a plaintext") from None
        proof = _proof(context)
        if not hmac.compare_digest(plain[-len(proof) :], proof):
            raise KeyRefused("InvalidCiphertextException", "the sealed key belongs to something else")
        return plain[: -len(proof)]

    def reencrypt(self, key: str, sealed: bytes, new_key: str, context: Mapping[str, str]) -> bytes:
        """The same secret under the newest version of its key, which never leaves Vault; or under another one."""
        if key == new_key:
            return _ciphertext(self._call("POST", "rewrap", key, ciphertext=sealed.decode()))
        return self.encrypt(new_key, self.decrypt(key, sealed, context), context)

    # ---- HTTP

    def _call(self, method: str, what: str, name: str, **members: str) -> dict[str, Any]:
        mount, _, key = name.removeprefix("vault:").rpartition("/")
        path = f"/v1/{mount}/{what}/{key}"
        with self._lock:
            token = self._token
        status, answer = self._ask(method, path, members, self._usable(token))
        if status == 403 and all(self._role):
            status, answer = self._ask(method, path, members, self._log_in())
        data = answer.get("data")
        if status == 200 and isinstance(data, dict):
            return data
        words = "; ".join(str(one) for one in answer.get("errors") or [])[:300] or f"status {status}"
        if status in {400, 403, 404}:
            code = {400: "ValidationException", 403: "AccessDeniedException", 404: "NotFoundException"}[status]
            raise KeyRefused(code, f"Vault, {path}: {words}")
        raise KeyServiceDown(f"Vault, {path}: {words}")

    def _usable(self, token: str) -> str:
        if self._token_file:
            try:
                return Path(self._token_file).read_text().strip()
            except OSError as fault:
                raise KeyServiceDown(f"VAULT_TOKEN_FILE {self._token_file}: {fault.strerror}") from None
        return token or self._log_in()

    def _log_in(self) -> str:
        """A fresh token by AppRole."""
        members = {"role_id": self._role[0], "secret_id": self._role[1]}
        status, answer = self._ask("POST", "/v1/auth/approle/login", members, None)
        token = (answer.get("auth") or {}).get("client_token")
        if status != 200 or not isinstance(token, str):
            raise KeyServiceDown(f"Vault refuses the login by AppRole with status {status}")
        with self._lock:
            self._token = token
        return token

    def _ask(self, method: str, path: str, members: Mapping[str, str], token: str | None) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/json", "X-Vault-Request": "true"}
        if token is not None:
            headers["X-Vault-Token"] = token
        if self._at.namespace:
            headers["X-Vault-Namespace"] = self._at.namespace
        body = json.dumps(members).encode() if method == "POST" else None
        try:
            response = self._pool().request(
                method, self._at.url + path, body=body, headers=headers, preload_content=False
            )
            try:
                text = response.read(ANSWER_BYTES + 1)
            finally:
                response.release_conn()
            answer = json.loads(text or b"{}")
        except urllib3.exceptions.HTTPError as fault:
            raise KeyServiceDown(f"Vault at {self._at.url}: {str(fault)[:300]}") from None
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise KeyServiceDown(f"Vault at {self._at.url} did not answer with a JSON object")
        return response.status, answer

    def _pool(self) -> urllib3.PoolManager:
        with self._lock:
            pid, pool = self._made
            if pool is None or pid != os.getpid():  # a forked process must not share connections
                pool = urllib3.PoolManager(maxsize=16, timeout=TIMEOUT, retries=RETRIES, ca_certs=self._ca)
                self._made = os.getpid(), pool
            return pool


def _proof(context: Mapping[str, str]) -> bytes:
    return hashlib.sha256(json.dumps(context, sort_keys=True).encode()).digest()


def _ciphertext(told: Mapping[str, Any]) -> bytes:
    text = told.get("ciphertext")
    if not isinstance(text, str) or not text.startswith("vault:"):
        raise KeyServiceDown("Vault answered without a ciphertext")
    return text.encode()

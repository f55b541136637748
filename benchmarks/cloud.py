"""The AWS API as a client sees it: boto3 to prepare, signed raw requests to measure."""

import configparser
import json
import os
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from wire import Connection, Door

REGION = "us-east-1"


ECR = "AmazonEC2ContainerRegistry_V20150921"


@dataclass(frozen=True, slots=True)
class Cloud:
    """An ECR endpoint on the loopback address and the key that it is called with."""

    port: int
    key: str
    secret: str

    @classmethod
    def of_root(cls, port: int, credentials: Path) -> "Cloud":
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(credentials, encoding="utf-8")
        profile = parser["default"]
        return cls(port, profile["aws_access_key_id"], profile["aws_secret_access_key"])

    @classmethod
    def of_anyone(cls, port: int) -> "Cloud":
        return cls(port, "AKIAIOSFODNN7EXAMPLE", "any")

    @property
    def url(self) -> str:
        return Door(self.port).url

    def create_repository(self, name: str) -> None:
        self._ecr().create_repository(repositoryName=name)

    def put_image(self, repository: str, tag: str, manifest: bytes) -> None:
        self._ecr().put_image(repositoryName=repository, imageTag=tag, imageManifest=manifest.decode("ascii"))

    def registry_authorization(self) -> str:
        """The header that opens /v2/, from GetAuthorizationToken."""
        (data,) = self._ecr().get_authorization_token()["authorizationData"]
        return f"Basic {data['authorizationToken']}"

    def call(self, operation: str, prefix: str = ECR, **members) -> dict:
        """Make one call, without what boto3 adds in time."""
        connection = Connection(Door(self.port))
        connection.socket.sendall(self.signed(operation, json.dumps(members).encode("ascii"), prefix))
        answer = connection.answer().expect(200)
        connection.close()
        return json.loads(answer.body)

    def signed(self, operation: str, body: bytes, prefix: str = ECR) -> bytes:
        """One call on the wire, signed anew, unlike any other by its invocation id."""
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"{prefix}.{operation}",
            "amz-sdk-invocation-id": os.urandom(16).hex(),
        }
        request = AWSRequest("POST", f"{self.url}/", data=body, headers=headers)
        SigV4Auth(Credentials(self.key, self.secret), "ecr", REGION).add_auth(request)
        request.headers["Host"] = self.url.removeprefix("http://")
        request.headers["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        return f"POST / HTTP/1.1\r\n{head}\r\n".encode("ascii") + body

    def _ecr(self):
        return boto3.client(
            "ecr",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            config=Config(proxies={}),
        )

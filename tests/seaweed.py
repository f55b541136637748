"""A real S3 server on loopback: SeaweedFS, from a wheel."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.ports import free_ports

KEY_ID, SECRET = "AKIASEAWEEDFSEXAMPLE", "a-secret-of-the-tests-alone"
REGION = "us-east-1"
BUCKET = "holdfast-tests"
START_SECONDS = 60


class SeaweedFS:
    """One server with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        config = folder / "s3.json"
        account = {"name": "holdfast", "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}]}
        config.write_text(json.dumps({"identities": [account | {"actions": ["Admin"]}]}))
        names = ("master", "volume", "filer", "s3")
        ports = free_ports(2 * len(names))
        flags = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-filer", "-s3", f"-s3.config={config}"]
        flags += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=1024", "-volume.max=100"]
        flags += [f"-{name}.port={ports.pop()}" for name in names]
        flags += [f"-{name}.port.grpc={ports.pop()}" for name in names]
        self.port = next(int(flag.rpartition("=")[2]) for flag in flags if flag.startswith("-s3.port="))
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"
        with self.log.open("wb") as log:
            weed = Path(sys.executable).parent / "weed"
            self.process = subprocess.Popen([weed, "server", *flags], stdout=log, stderr=log, cwd=folder)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self._make_bucket()
            except Exception:  # noqa: BLE001 - whatever it is, it is not ready
                time.sleep(0.1)
            else:
                return
        raise AssertionError(f"SeaweedFS did not start:\n{self.log.read_text(errors='replace')[-4000:]}")

    def s3(self):
        """A boto3 client of it."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def _make_bucket(self) -> None:
        client = self.s3()
        with suppress(client.exceptions.BucketAlreadyExists):  # made before, when the volumes were not there
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="first", Body=b"now they are")
        client.close()

    def url(self, prefix: str, bucket: str = BUCKET, **options: str) -> str:
        """A place for objects, as `--blobs` names it; each bucket costs the server gigabytes, so there is one."""
        options = {"endpoint": self.endpoint, "region": REGION} | options
        return f"s3://{bucket}/{prefix}?" + "&".join(f"{name}={value}" for name, value in options.items())

    @property
    def environment(self) -> dict[str, str]:
        """What a product needs to log in."""
        return {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()

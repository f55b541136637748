"""The same registries with their layers in SeaweedFS, or with their facts in PostgreSQL: one of it for each of them."""

import os
import shutil
import sys
from pathlib import Path

from servers import Distribution, Holdfast, Server

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are a package of the checkout, not an installed one

from tests.postgres import Postgres
from tests.seaweed import BUCKET, KEY_ID, REGION, SECRET, SeaweedFS

# As for the folder, its best case; and it sends nobody to the store, as Holdfast does not.
DISTRIBUTION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  s3:
    {{accesskey: "{key}", secretkey: "{secret}", region: {region}, regionendpoint: "{endpoint}", bucket: {bucket},
     secure: false, forcepathstyle: true}}
  redirect: {{disable: true}}
  cache: {{blobdescriptor: inmemory}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class _OnS3(Server):
    """Starts the store first and ends it last."""

    def start(self) -> None:
        self.store = SeaweedFS(self.directory.with_name(f"{self.directory.name}-store"))
        os.environ.update(self.store.environment)
        os.environ.pop("AWS_CA_BUNDLE", None)  # distribution does not start with one
        super().start()

    def stop(self) -> None:
        super().stop()
        self.store.stop()
        shutil.rmtree(self.store.folder, ignore_errors=True)


class HoldfastOnS3(_OnS3, Holdfast):
    """Ours, encrypting before the bytes leave."""

    def command(self) -> list[str]:
        return [*super().command(), "--blobs", self.store.url("bench")]


class DistributionOnS3(_OnS3, Distribution):
    """The peer with its own driver for S3."""

    def command(self) -> list[str]:
        text = DISTRIBUTION.format(
            key=KEY_ID, secret=SECRET, region=REGION, endpoint=self.store.endpoint, bucket=BUCKET, port=self.port
        )
        configuration = self.directory / "config.yml"
        configuration.write_text(text, encoding="utf-8")
        return [self.program, "serve", str(configuration)]


class HoldfastOnPostgres(Holdfast):
    """Ours with its facts in PostgreSQL as it comes: a commit is on disk."""

    def start(self) -> None:
        self.postgres = Postgres(())
        super().start()

    def stop(self) -> None:
        super().stop()
        self.postgres.close()

    def command(self) -> list[str]:
        return [*super().command(), "--database", self.postgres.url("postgres")]

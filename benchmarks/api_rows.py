"""The rows of the AWS door: cheap calls beside moto, and pages of lists that must not get slower as they grow."""

import base64
import json
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta

import clients
from content import fresh_blob, fresh_config, manifest
from deeds import CLIENTS
from filling import Age, Filling
from samples import REQUESTS, Sample, paced
from scenes import SMALL, Row, Scale, Scene
from seats import CANDIDATE, STUB
from servers import REPOSITORY, Server
from wire import UnexpectedAnswerError

THINGS = 10  # images and repositories, for calls that answer with all of them
PAGE = 100
FEW_IMAGES = 1000
SIGNED_CALLS = 64  # that are sent in turn
HERE = {"repositoryName": REPOSITORY}
POLICY = json.dumps({
    "rules": [{
        "rulePriority": 1,
        "description": "untagged images are kept for two weeks",
        "selection": {
            "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14
        },
        "action": {"type": "expire"},
    }]
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """An operation with its parameters, and which list of its answer has how many items."""

    operation: str
    members: dict = field(default_factory=lambda: HERE)
    listed: str | None = None
    items: int = THINGS

    def check(self, server: Server) -> None:
        """Make the call once: an answer with fewer items would be less work."""
        answer = server.cloud.call(self.operation, **self.members)
        if self.listed and len(answer[self.listed]) != self.items:
            raise UnexpectedAnswerError(f"{self.operation} answers {len(answer[self.listed])} items, not {self.items}")

    def measure(self, server: Server, seconds: int) -> Sample:
        body = json.dumps(self.members).encode("ascii")
        signed = [server.cloud.signed(self.operation, body) for _ in range(SIGNED_CALLS)]
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(clients.script(signed))
            script.flush()
            return paced(server, REQUESTS, lambda: clients.wrk(server.door, "/", CLIENTS, seconds, script=script.name))


def calls(scale: Scale) -> Scene:
    """Calls that both Holdfast and moto answer, on the same data."""
    tags = [{"imageTag": f"v{number}"} for number in range(THINGS)]
    of_works = {
        f"DescribeImages of {THINGS} images": Call("DescribeImages", listed="imageDetails"),
        f"ListImages of {THINGS} images": Call("ListImages", listed="imageIds"),
        f"BatchGetImage of {THINGS} images": Call("BatchGetImage", HERE | {"imageIds": tags}, "images"),
        f"DescribeRepositories of {THINGS} repositories": Call("DescribeRepositories", {}, "repositories"),
        "PutLifecyclePolicy": Call("PutLifecyclePolicy", HERE | {"lifecyclePolicyText": POLICY}),
        "GetLifecyclePolicy": Call("GetLifecyclePolicy"),
    }

    def prepare(server: Server) -> None:
        config, layer = fresh_config(), fresh_blob(SMALL)
        server.put_blob(REPOSITORY, config)
        server.put_blob(REPOSITORY, layer)
        for number in range(THINGS):
            server.put_manifest(REPOSITORY, f"v{number}", manifest(config, layer, str(number)))
        for number in range(1, THINGS):
            server.create_repository(f"bench/other{number}")
        for call in of_works.values():
            call.check(server)

    def row(work: str, call: Call) -> Row:
        name = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in call.operation)[1:]
        label = f"ECR {work}, signed, {CLIENTS} connections"
        return Row(name, label, REQUESTS, lambda server: call.measure(server, scale.seconds), (STUB, CANDIDATE))

    return Scene(tuple(row(work, call) for work, call in of_works.items()), prepare)


def pages(scale: Scale) -> Scene:
    """Pages from the middle of a short and a long list; moto has no pages, and nobody else has the API."""
    amounts = {"few": FEW_IMAGES, "many": scale.many_images}
    middles: dict[str, int] = {}

    def prepare(server: Server) -> None:
        for key, amount in amounts.items():
            server.create_repository(f"bench/{key}")
            rows = Filling(server.database, f"bench/{key}", amount, Age(timedelta(days=300), timedelta(0))).add()
            middles[key] = rows[amount // 2]
        for key in amounts:
            for operation in ("DescribeImages", "ListImages"):
                for status in ("ANY", "TAGGED", "UNTAGGED"):
                    call(operation, key, status).check(server)

    def call(operation: str, key: str, status: str) -> Call:
        place, listed = (
            (middles[key], "imageDetails") if operation == "DescribeImages" else ([middles[key], ""], "imageIds")
        )
        members = {"repositoryName": f"bench/{key}", "maxResults": PAGE, "nextToken": _token(place)}
        return Call(operation, members | {"filter": {"tagStatus": status}}, listed, PAGE)

    def row(operation: str, status: str, key: str) -> Row:
        name = f"{'describe' if operation == 'DescribeImages' else 'list'}-{key}"
        name += "" if status == "ANY" else f"-{status.lower()}"
        of = "" if status == "ANY" else f" {status.lower()}"
        label = f"ECR {operation}, a page of {PAGE}{of} of {amounts[key]:,} images, signed, {CLIENTS} connections"
        return Row(
            name,
            label,
            REQUESTS,
            lambda server: call(operation, key, status).measure(server, scale.seconds),
            (CANDIDATE,),
        )

    wanted = [
        row(operation, status, key)
        for operation in ("DescribeImages", "ListImages")
        for status in ("ANY", "TAGGED", "UNTAGGED")
        for key in amounts
    ]
    return Scene(tuple(wanted), prepare)


def _token(place: object) -> str:
    """Where a page begins, as Holdfast writes it: after a row, or a row and a tag."""
    return base64.urlsafe_b64encode(json.dumps(place).encode("ascii")).decode("ascii")

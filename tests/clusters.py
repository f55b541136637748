"""Clusters that are small: as much of the APIs of Kubernetes and Amazon ECS as somebody needs who asks what runs."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Fake:
    """A server of HTTP on loopback; `asked` are the requests so far."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self):
                fake.answer(self, b"")

            def do_POST(self):
                fake.answer(self, self.rfile.read(int(self.headers["content-length"])))

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, handler, _body):
        raise NotImplementedError

    @staticmethod
    def send(handler, document, status=200):
        """Answer with JSON; lists of documents are lines."""
        lines = document if isinstance(document, list) else [document]
        handler.send_response(status)
        handler.end_headers()
        handler.wfile.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def pod(name, *images, version="1", **status):
    """A pod whose containers were resolved to some images."""
    statuses = [{"name": f"c{n}", "image": "sha256:0", "imageID": image} for n, image in enumerate(images)]
    about = {"uid": f"uid of {name}", "namespace": "shop", "name": name, "resourceVersion": version}
    return {"metadata": about, "status": {"phase": "Running", "containerStatuses": statuses, **status}}


class Kubernetes(Fake):
    """Lists pods one a page; each watch is answered with the next of some lists of events."""

    def __init__(self, *pods, watches=(), token="a token", workloads=None):
        super().__init__()
        self.pods, self.watches, self.token = list(pods), list(watches), token
        self.workloads = workloads or {}  # by the last word of the path

    def answer(self, handler, _body):
        wish = {name: values[0] for name, values in parse_qs(urlsplit(handler.path).query).items()}
        self.asked.append(wish)
        if handler.headers["authorization"] != f"Bearer {self.token}":
            self.send(handler, {"kind": "Status", "message": "Unauthorized", "code": 401}, 401)
        elif "watch" in wish:
            events = self.watches.pop(0) if self.watches else []
            if events == 410:
                self.send(handler, {"kind": "Status", "message": "too old resource version", "code": 410}, 410)
            else:
                self.send(handler, list(events))
        elif "/apis/" in handler.path:
            found = self.workloads.get(urlsplit(handler.path).path.rpartition("/")[2], [])
            self.send(handler, {"metadata": {"resourceVersion": "7"}, "items": found})
        else:
            at = int(wish.get("continue", "0"))
            more = {"continue": str(at + 1)} if at + 1 < len(self.pods) else {}
            self.send(handler, {"metadata": {"resourceVersion": "7", **more}, "items": self.pods[at : at + 1]})


class Ecs(Fake):
    """One cluster with some tasks, and a service of a task definition."""

    def __init__(self, *tasks, definition=None):
        super().__init__()
        self.tasks, self.definition = list(tasks), definition

    def answer(self, handler, body):
        name = handler.headers["x-amz-target"].rpartition(".")[2]
        wish = json.loads(body)
        self.asked.append((name, wish))
        arns = [task["taskArn"] for task in self.tasks]
        self.send(handler, {
            "ListClusters": {"clusterArns": ["arn:aws:ecs:us-east-1:1:cluster/web"]},
            "ListTasks": {"taskArns": arns},
            "ListServices": {"serviceArns": ["arn:aws:ecs:us-east-1:1:service/web/shop"]},
            "DescribeServices": {"services": [
                {"serviceName": "shop", "taskDefinition": "shop:2", "deployments": [{"taskDefinition": "shop:2"}]}]},
            "DescribeTaskDefinition": {"taskDefinition": self.definition},
            "DescribeTasks": {"tasks": [task for task in self.tasks if task["taskArn"] in wish.get("tasks", ())]},
        }[name])  # fmt: skip

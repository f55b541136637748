"""`holdfast lease`: a watcher sees what clusters run, and holds it at a Holdfast."""

from __future__ import annotations

import json
import os
import time
from itertools import islice
from types import SimpleNamespace

import pytest

from holdfast.cli import watching
from holdfast.cli.watching import Pods
from holdfast.model.running import Running, of_pod, of_task, of_template, read_reference
from holdfast.outbound import kubernetes as kubernetes_api
from holdfast.outbound.kubernetes import Change, Cluster, ClusterAt, ClusterFault, TooOld
from tests import programs
from tests.aws.test_own_deleted import own  # noqa: F401 - a fixture
from tests.clusters import Ecs, Kubernetes, pod

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


@pytest.fixture
def cluster(tmp_path):
    """Make a small cluster, and a client of it."""
    made = []

    def make(*pods, **more):
        made.append(Kubernetes(*pods, **more))
        token = tmp_path / "token"
        token.write_text("a token\n")
        return made[-1], Cluster(ClusterAt(made[-1].url, token, None))

    yield make
    for one in made:
        one.close()


def watch(product, *flags):
    """Run the watcher once, as somebody with the root's key."""
    key_id, secret = product.credentials()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "AWS_"))}
    environment |= {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret}
    return programs.run(["lease", "watch", "--endpoint-url", product.url, "--once", *flags], environment)


def test_what_pods_run_is_held(product, own, name, tmp_path):  # noqa: F811
    repository = product.registry(name)
    running, idle, other = (repository.push_image(tag, seed=tag) for tag in ("running", "idle", "other"))
    host = product.address
    kubernetes = Kubernetes(
        pod("web-1", f"docker-pullable://{host}/{name}@{running.digest}", "docker.io/library/redis@" + ONE),
        pod("web-2", f"{host}/{name}@{running.digest}"),
        pod("old", f"{host}/{name}@{TWO}"),
        pod("by-tag", containerStatuses=[{"name": "c", "image": f"{host}/{name}:other", "imageID": "sha256:5"}]),
    )
    (tmp_path / "token").write_text("a token")

    ended = watch(product, "--kubernetes", "--kubernetes-url", kubernetes.url, "--holder", "pods-eu",
                  "--kubernetes-token", str(tmp_path / "token"))  # fmt: skip
    mistaken = watch(product, "--kubernetes", "--kubernetes-url", kubernetes.url, "--holder", "pods-eu",
                     "--kubernetes-token", str(tmp_path / "token"), "--registry", "registry.example")  # fmt: skip
    kubernetes.close()

    assert ended.returncode == 0, ended.stderr
    assert "nothing that runs comes from registry.example" in mistaken.stderr
    assert f"it comes from {host}, docker.io: --registry" in mistaken.stderr
    assert f"{name}: 2 images held until" in ended.stdout
    assert TWO in ended.stderr
    leases = own.list_image_leases(repositoryName=name)["leases"]
    assert {(one["imageDigest"], one["detail"], one["kind"], one["holder"]) for one in leases} == {
        (running.digest, "shop/web-1 c0 and 1 more", "KUBERNETES", "pods-eu"),
        (other.digest, "shop/by-tag c", "KUBERNETES", "pods-eu"),
    }
    assert repository("DELETE", f"/manifests/{running.digest}").status == 409
    assert repository("DELETE", f"/manifests/{idle.digest}").status == 202
    told = product.cli("lease", "list", name)
    assert "KUBERNETES pods-eu (shop/web-1 c0 and 1 more) until" in told.stdout
    assert "2 leases." in told.stdout
    everywhere = product.cli("lease", "list", "--holder", "pods-eu", "--json").stdout.splitlines()
    assert name in {json.loads(line)["repository"] for line in everywhere}
    assert product.cli("lease", "release", name, "--holder", "pods-eu", "--digest", other.digest).stdout[0] == "1"
    assert product.cli("lease", "release", "--holder", "pods-eu").stdout == "1 lease released.\n"


def test_what_workloads_could_start_again_is_held_if_wanted(product, own, name, tmp_path):  # noqa: F811
    repository = product.registry(name)
    nightly, earlier = repository.push_image("nightly"), repository.push_image("earlier")
    spec = {"template": {"spec": {"containers": [{"name": "c", "image": f"{product.address}/{name}:nightly"}]}}}
    revision = {"template": {"spec": {"initContainers": [
        {"name": "i", "image": f"{product.address}/{name}@{earlier.digest}"}]}}}  # fmt: skip
    kubernetes = Kubernetes(workloads={
        "cronjobs": [{"metadata": {"namespace": "shop", "name": "report"}, "spec": {"jobTemplate": {"spec": spec}}}],
        "replicasets": [{"metadata": {"namespace": "shop", "name": "web-1"}, "spec": revision}],
    })  # fmt: skip
    (tmp_path / "token").write_text("a token")
    flags = ("--kubernetes", "--kubernetes-url", kubernetes.url, "--holder", "prod-eu",
             "--kubernetes-token", str(tmp_path / "token"))  # fmt: skip

    plain = watch(product, *flags)
    assert (plain.returncode, own.list_image_leases(repositoryName=name)["leases"]) == (0, [])
    ended = watch(product, *flags, "--templates")
    kubernetes.close()

    assert (ended.returncode, ended.stderr) == (0, "")
    leases = own.list_image_leases(repositoryName=name)["leases"]
    assert {(one["imageDigest"], one["detail"]) for one in leases} == {
        (nightly.digest, "shop/CronJob report c"),
        (earlier.digest, "shop/ReplicaSet web-1 i"),
    }


def test_a_watch_goes_on_after_whatever_happens(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "time", SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic))
    came = {"type": "ADDED", "object": pod("two", "h.io/b@" + TWO)}
    again = {"type": "MODIFIED", "object": pod("two", "h.io/b@" + TWO)}
    fake, _ = cluster(pod("one", "h.io/a@" + ONE), watches=[[came, again], 410, ["<"]])
    at = SimpleNamespace(kubernetes_url=fake.url, kubernetes_token=tmp_path / "token", kubernetes_ca=None, every=300,
                         templates=False)  # fmt: skip

    looks = watching.looks_at_pods(at)
    seen = [({one.repository for one, _ in look.running}, look.fault) for look in islice(looks, 4)]
    fake.token = "another one"
    seen += [({one.repository for one, _ in look.running}, look.fault) for look in islice(looks, 2)]

    assert seen[:4] == [({"a"}, None), ({"a", "b"}, None), ({"a", "b"}, None), ({"a"}, None)]  # listed anew
    assert [images for images, _ in seen[4:]] == [{"a"}, {"a"}]  # held on to, though nothing is seen
    assert "401" in seen[5][1]
    assert next(wish["timeoutSeconds"] for wish in fake.asked if "watch" in wish) == "240"


def test_what_tasks_run_is_held(product, own, name):  # noqa: F811
    repository = product.registry(name)
    digest = repository.push_image("v1").digest
    host = f"000000000000.dkr.ecr.us-east-1.example.com:{product.address.rpartition(':')[2]}"
    ecs = Ecs({
        "taskArn": "arn:aws:ecs:us-east-1:1:task/web/1", "clusterArn": "arn:aws:ecs:us-east-1:1:cluster/web",
        "group": "service:shop", "containers": [{"name": "app", "image": f"{host}/{name}:v1", "imageDigest": digest}],
    })  # fmt: skip

    ended = watch(product, "--ecs", "--ecs-endpoint-url", ecs.url, "--registry", host, "--holder", "web")
    ecs.close()

    assert ended.returncode == 0, ended.stderr
    [lease] = own.list_image_leases(repositoryName=name)["leases"]
    assert (lease["imageDigest"], lease["detail"], lease["kind"]) == (digest, "web/service:shop app", "ECS")


def test_what_services_of_ecs_could_start_again_is_held_if_wanted(product, own, name):  # noqa: F811
    digest = product.registry(name).push_image("v1").digest
    image = f"{product.address}/{name}:v1"
    ecs = Ecs(definition={"containerDefinitions": [{"name": "app", "image": image}, {"name": "log", "image": "redis"}]})

    ended = watch(product, "--ecs", "--ecs-endpoint-url", ecs.url, "--holder", "web", "--templates")
    ecs.close()

    assert (ended.returncode, ended.stderr) == (0, "")
    [lease] = own.list_image_leases(repositoryName=name)["leases"]
    assert (lease["imageDigest"], lease["detail"]) == (digest, "web/service:shop app")


def test_a_watcher_that_cannot_see_says_why(product, tmp_path):
    kubernetes = Kubernetes(token="another one")
    (tmp_path / "token").write_text("a token")
    at = ("--kubernetes-url", kubernetes.url, "--kubernetes-token", str(tmp_path / "token"))

    ended = watch(product, "--kubernetes", "--holder", "prod", *at)
    kubernetes.close()
    nowhere = watch(product, "--kubernetes", "--holder", "prod")

    assert (ended.returncode, "401 Unauthorized" in ended.stderr) == (1, True)
    assert (nowhere.returncode, "say --kubernetes-url" in nowhere.stderr) == (2, True)


def test_pods_are_listed_page_by_page_and_watched_from_there(cluster):
    came, gone = pod("three", "h.io/c@" + ONE, version="9"), pod("one", version="10")
    watches = [
        [{"type": "ADDED", "object": came}, {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "12"}}}],
        [{"type": "DELETED", "object": gone}],
        [{"type": "ERROR", "object": {"code": 410, "message": "too old"}}],
        410,
    ]
    fake, client = cluster(pod("one"), pod("two"), watches=watches)

    assert set(client.pods()) == {"uid of one", "uid of two"}
    assert [(change.uid, change.pod) for change in client.changes(1)] == [("uid of three", came)]
    assert [(change.uid, change.pod) for change in client.changes(1)] == [("uid of one", None)]
    for _ in range(2):  # in the stream, and instead of it
        with pytest.raises(TooOld):
            list(client.changes(1))

    assert [wish.get("resourceVersion") for wish in fake.asked if "watch" in wish] == ["7", "12", "10", "10"]
    assert [wish.get("continue") for wish in fake.asked if "watch" not in wish] == [None, "1"]


def test_odd_events_are_passed_over_and_other_languages_are_faults(cluster):
    _, client = cluster(watches=[["no event", {"type": "ADDED", "object": "no pod"}, {"type": "ADDED"}]])

    assert client.pods() == {}
    assert list(client.changes(1)) == []
    with pytest.raises(ClusterFault, match="no JSON"):
        kubernetes_api._json(b"<html>")


def test_an_image_is_new_when_no_pod_ran_it_before():
    pods = Pods()
    first, second = pod("one", "h.io/a@" + ONE), pod("two", "h.io/a@" + ONE)

    assert pods.apply(Change("1", first))
    assert not pods.apply(Change("2", second))
    assert not pods.apply(Change("1", None))
    assert [what for _, what in pods.running()] == ["shop/two c0"]
    assert not pods.apply(Change("2", None))
    assert pods.apply(Change("2", second))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("docker-pullable://h.io/a/b@" + ONE, Running("h.io", "a/b", ONE, None)),
        ("h.io:5000/a:v1@" + ONE, Running("h.io:5000", "a", ONE, None)),
        ("localhost/a", Running("localhost", "a", None, "latest")),
        ("h.io/a:v1", Running("h.io", "a", None, "v1")),
        ("library/redis:7", None),
        ("redis", None),
        ("docker://" + ONE, None),
        ("h.io/a@sha256:short", None),
        ("h.io/a:no tag", None),
        ("", None),
    ],
)
def test_references_are_read_as_runtimes_write_them(text, found):
    assert read_reference(text) == found


@pytest.mark.parametrize(
    "odd",
    [{}, {"metadata": 1, "status": []}, {"status": {"containerStatuses": [1, {}, {"imageID": 5}]}},
     {"status": {"containerStatuses": 5}}, {"spec": {"template": {"spec": {"containers": {"image": 1}}}}}],
)  # fmt: skip
def test_odd_documents_run_nothing(odd):
    assert of_pod(odd) == {}
    assert of_template("Job", odd) == {}
    assert of_task(odd) == {}

"""Whatever is pushed, moved and deleted in whatever order: the registry agrees with plain dictionaries."""

import itertools
import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests import builders
from tests.callers import Registry

TAGS = st.sampled_from(["latest", "v1", "v2", "V1", "dev"])
SEEDS = st.integers(0, 4)
OFTEN = st.sampled_from([True, True, True, False])


class Model(RuleBasedStateMachine):
    """A repository, and what it ought to hold."""

    product = None
    numbers = itertools.count()
    documents = Bundle("documents")

    @initialize(target=documents)
    def make_a_repository_with_an_image_and_an_index(self):
        self.repository = Registry(self.http, f"model/machine-{next(self.numbers)}")
        self.client.create_repository(repositoryName=self.repository.repository)
        self.blobs = {}  # digest: bytes
        self.manifests = {}  # digest: Document
        self.tags = {}  # name: digest
        self.subjects = {}  # digest: subject's digest, in the order of their push
        image = self.push_image([0, 1], 0, "latest", whole=True)
        index = builders.an_index(image)
        self.push(index, None, self.manifests, [image.digest])
        return multiple(image, index)

    # ---- pushes

    @rule(seed=SEEDS)
    def push_blob(self, seed):
        self.push_blob_of(seed)

    def push_blob_of(self, seed):
        data = f"blob {seed}".encode()
        self.blobs[self.repository.push_blob(data)] = data

    @rule(target=documents, layers=st.lists(SEEDS, max_size=2), number=SEEDS, tag=st.none() | TAGS, whole=OFTEN)
    def push_some_image(self, layers, number, tag, whole):
        return self.push_image(layers, number, tag, whole=whole)

    def push_image(self, layers, number, tag, *, whole):
        if whole:
            for seed in layers:
                self.push_blob_of(seed)
        datas = [f"blob {seed}".encode() for seed in layers]
        config = json.dumps({"number": number}).encode()
        self.blobs[self.repository.push_blob(config)] = config
        image = builders.document(
            builders.OCI_MANIFEST,
            config=builders.descriptor(builders.OCI_CONFIG, config),
            layers=[builders.descriptor(builders.OCI_LAYER, data) for data in datas],
        )
        self.push(image, tag, self.blobs, [builders.digest(data) for data in datas])
        return image

    @rule(target=documents, children=st.lists(documents, min_size=1, max_size=3), tag=st.none() | TAGS)
    def push_index(self, children, tag):
        index = builders.an_index(*children)
        self.push(index, tag, self.manifests, [child.digest for child in children])
        return index

    @rule(target=documents, subject=documents, tag=st.none() | TAGS)
    def push_referrer(self, subject, tag):
        artifact = builders.an_index(subject=subject.descriptor, artifactType="application/vnd.example")
        self.push(artifact, tag, self.manifests, [])
        self.subjects.setdefault(artifact.digest, subject.digest)
        return artifact

    @rule(document=documents, tag=TAGS)
    def retag(self, document, tag):
        known = document.digest in self.manifests
        body = self.repository("GET", f"/manifests/{document.digest}")
        assert body.status == (200 if known else 404)
        if known:
            assert self.repository.push_manifest(builders.Document(body.body, document.media_type), tag).status == 201
            self.tags[tag] = document.digest

    def push(self, document, tag, parts, needed):
        answer = self.repository.push_manifest(document, tag)
        if document.digest in self.manifests or set(needed) <= parts.keys():
            assert answer.status == 201, answer
            assert answer.headers["docker-content-digest"] == document.digest
            self.manifests[document.digest] = document
            if tag is not None:
                self.tags[tag] = document.digest
        else:
            assert (answer.status, answer.code) == (404, "MANIFEST_BLOB_UNKNOWN")

    # ---- deletions

    @rule(tag=TAGS)
    def delete_tag(self, tag):
        answer = self.repository("DELETE", f"/manifests/{tag}")

        assert answer.status == (202 if tag in self.tags else 404)
        self.tags.pop(tag, None)

    @precondition(lambda self: self.parents())
    @rule(pick=st.integers(0, 9))
    def delete_a_child_of_an_index(self, pick):
        parents = self.parents()
        child = sorted(parents)[pick % len(parents)]

        answer = self.repository("DELETE", f"/manifests/{child}")

        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        assert all(parent in answer.message for parent in parents[child])

    @precondition(lambda self: self.manifests.keys() - self.parents())
    @rule(pick=st.integers(0, 9))
    def delete_a_manifest(self, pick):
        free = sorted(self.manifests.keys() - self.parents())
        digest = free[pick % len(free)]

        answer = self.repository("DELETE", f"/manifests/{digest}")
        again = self.repository("DELETE", f"/manifests/{digest}")

        assert [answer.status, again.status] == [202, 404]
        del self.manifests[digest]
        self.subjects.pop(digest, None)
        self.tags = {tag: other for tag, other in self.tags.items() if other != digest}

    @rule(seed=SEEDS)
    def delete_blob(self, seed):
        digest = builders.digest(f"blob {seed}".encode())

        answer = self.repository("DELETE", f"/blobs/{digest}")

        if any(digest in self.needs(manifest) for manifest in self.manifests.values()):
            assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        else:
            assert answer.status == (202 if digest in self.blobs else 404)
            self.blobs.pop(digest, None)

    # ---- reads

    @rule(tag=TAGS, method=st.sampled_from(["GET", "HEAD"]))
    def get_by_tag(self, tag, method):
        answer = self.repository(method, f"/manifests/{tag}")

        assert answer.status == (200 if tag in self.tags else 404)
        if tag in self.tags:
            assert answer.headers["docker-content-digest"] == self.tags[tag]
            assert answer.body == (self.manifests[self.tags[tag]].body if method == "GET" else b"")

    @rule(document=documents)
    def get_by_digest(self, document):
        answer = self.repository("GET", f"/manifests/{document.digest}")

        assert answer.status == (200 if document.digest in self.manifests else 404)
        assert document.digest not in self.manifests or answer.body == document.body

    @rule(seed=SEEDS)
    def get_blob(self, seed):
        data = f"blob {seed}".encode()

        answer = self.repository("GET", f"/blobs/{builders.digest(data)}")

        assert answer.status == (200 if builders.digest(data) in self.blobs else 404)
        assert answer.status == 404 or answer.body == data

    @rule(n=st.integers(0, 6), last=st.just("") | TAGS)
    def list_tags(self, n, last):
        answer = self.repository("GET", f"/tags/list?n={n}&last={last}")

        after = sorted(tag for tag in self.tags if tag > last)
        assert answer.json()["tags"] == after[:n]
        assert ("link" in answer.headers) == (0 < n < len(after))

    @rule(document=documents)
    def list_referrers(self, document):
        answer = self.repository("GET", f"/referrers/{document.digest}")

        expected = [referrer for referrer, subject in self.subjects.items() if subject == document.digest]
        assert [found["digest"] for found in answer.json()["manifests"]] == expected

    @invariant()
    def the_ecr_api_agrees(self):
        if not hasattr(self, "repository"):
            return
        pages = self.client.get_paginator("list_images").paginate(repositoryName=self.repository.repository)
        found = {(image["imageDigest"], image.get("imageTag")) for page in pages for image in page["imageIds"]}
        untagged = self.manifests.keys() - self.tags.values()
        assert found == {(digest, tag) for tag, digest in self.tags.items()} | {(digest, None) for digest in untagged}

    # ---- the model's own rules

    @staticmethod
    def needs(document):
        members = document.json()
        parts = [*members.get("layers", ()), *members.get("manifests", ())]
        return {part["digest"] for part in parts}

    def parents(self):
        """The indexes that list a manifest, for each that is listed and there."""
        found = {}
        for manifest in self.manifests.values():
            for digest in self.needs(manifest) & self.manifests.keys():
                found.setdefault(digest, []).append(manifest.digest)
        return found


@pytest.mark.timeout(300)
def test_the_registry_agrees_with_plain_dictionaries(product):
    class Machine(Model):
        http = product.http()
        client = product.ecr()

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=20, stateful_step_count=40, deadline=None, database=None)
    )

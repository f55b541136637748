"""Layers without docker: checked, uploaded in parts, and read from a signed address."""

import base64
import hashlib
import re
import uuid
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.builders import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, an_image, descriptor, digest, document
from tests.callers import Http, refusal

ACCOUNT = "000000000000"
MIB = 2**20
ABSENT = "sha256:" + "a" * 64
UPLOAD_ID = "01234567-89ab-cdef-0123-456789abcdef"


def invalid(field, constraint):
    """What AWS answers about a member that breaks its constraint."""
    return (
        "InvalidParameterException",
        f"Invalid parameter at '{field}' failed to satisfy constraint: '{constraint}'",
    )


def noise(size, seed="layer"):
    """Bytes that differ everywhere."""
    return hashlib.shake_128(seed.encode()).digest(size)


@pytest.fixture
def ecr(product):
    return product.ecr()


@pytest.fixture
def repository(ecr, name):
    """The name of a repository that is there."""
    ecr.create_repository(repositoryName=name)
    return name


def begin(ecr, repository):
    return ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]


def part(upload_id, first, data, last=None):
    """The members by which a part is uploaded."""
    return {
        "uploadId": upload_id,
        "partFirstByte": first,
        "partLastByte": first + len(data) - 1 if last is None else last,
        "layerPartBlob": data,
    }


def upload(ecr, repository, *parts):
    """Send the parts of a layer; the id of the upload, which is not complete."""
    upload_id, first = begin(ecr, repository), 0
    for data in parts:
        ecr.upload_layer_part(repositoryName=repository, **part(upload_id, first, data))
        first += len(data)
    return upload_id


def complete(ecr, repository, upload_id, *digests):
    return ecr.complete_layer_upload(repositoryName=repository, uploadId=upload_id, layerDigests=list(digests))


def push(ecr, repository, *parts):
    """Push a layer in parts; its digest."""
    whole = digest(b"".join(parts))
    return complete(ecr, repository, upload(ecr, repository, *parts), whole)["layerDigest"]


def availability(ecr, repository, *digests):
    answer = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=list(digests))
    return answer["layers"], answer["failures"]


def part_refusal(ecr, repository, **members):
    """Code of the refusal of a part, and what else it says."""
    with pytest.raises(ClientError) as caught:
        ecr.upload_layer_part(repositoryName=repository, **members)
    answer = dict(caught.value.response)
    code = answer.pop("Error")["Code"]
    return code, {key: answer[key] for key in answer if key not in {"ResponseMetadata", "message"}}


# ---- Upload


def test_an_upload_is_answered_with_every_key(ecr, repository):
    data = noise(1000)

    begun = ecr.initiate_layer_upload(repositoryName=repository)
    sent = ecr.upload_layer_part(repositoryName=repository, **part(begun["uploadId"], 0, data))
    done = complete(ecr, repository, begun["uploadId"], digest(data))

    for answer in (begun, sent, done):
        answer.pop("ResponseMetadata")
    common = {"registryId": ACCOUNT, "repositoryName": repository, "uploadId": begun["uploadId"]}
    assert begun == {"uploadId": str(uuid.UUID(begun["uploadId"])), "partSize": 10 * MIB}
    assert sent == common | {"lastByteReceived": 999}
    assert done == common | {"layerDigest": digest(data)}


def test_an_image_is_pushed_by_the_api_and_pulled_by_the_registry_protocol(product, ecr, repository):
    big = noise(20 * MIB + 12_345)
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    push(ecr, repository, config)
    push(ecr, repository, big[: 10 * MIB], big[10 * MIB : 20 * MIB], big[20 * MIB :])
    manifest = document(OCI_MANIFEST, config=descriptor(OCI_CONFIG, config), layers=[descriptor(OCI_LAYER, big)])
    ecr.put_image(repositoryName=repository, imageManifest=manifest.body.decode(), imageTag="v1")

    http = product.http()
    pulled = http("GET", f"/v2/{repository}/manifests/v1")
    blobs = [http("GET", f"/v2/{repository}/blobs/{digest(blob)}").body for blob in (config, big)]

    assert pulled.body == manifest.body
    assert blobs == [config, big]


def test_an_image_is_pushed_by_the_registry_protocol_and_pulled_by_the_api(product, ecr, name):
    manifest = product.registry(name).push_image("v1", seed="x" * 5000)

    [image] = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])["images"]
    layers = [manifest.json()["config"], *manifest.json()["layers"]]
    pulled = [download(ecr, name, layer["digest"]) for layer in layers]

    assert image["imageManifest"].encode() == manifest.body
    assert [digest(blob.body) for blob in pulled] == [layer["digest"] for layer in layers]


def test_a_middle_part_must_not_be_small(ecr, repository):
    parts = [noise(5 * MIB, "a"), noise(5 * MIB - 1, "b"), noise(10, "c")]

    answer = refusal(
        ecr.complete_layer_upload,
        repositoryName=repository,
        uploadId=upload(ecr, repository, *parts),
        layerDigests=[digest(b"".join(parts))],
    )

    assert answer[0] == "LayerPartTooSmallException"
    assert availability(ecr, repository, digest(b"".join(parts)))[0][0]["layerAvailability"] == "UNAVAILABLE"


def test_parts_of_five_mebibytes_and_a_small_last_one_are_enough(ecr, repository):
    parts = [noise(5 * MIB, "a"), noise(5 * MIB, "b"), b"z"]

    pushed = push(ecr, repository, *parts)

    assert pushed == digest(b"".join(parts))
    assert availability(ecr, repository, pushed)[0][0]["layerSize"] == 10 * MIB + 1


def test_a_part_has_at_most_twenty_mebibytes(product, ecr, repository):
    upload_id = begin(ecr, repository)
    largest = noise(20 * MIB)

    sent = ecr.upload_layer_part(repositoryName=repository, **part(upload_id, 0, largest))
    members = {"repositoryName": repository, **part(upload_id, 20 * MIB, largest + b"x")}
    members["layerPartBlob"] = base64.b64encode(members["layerPartBlob"]).decode()
    answer = product.aws().refusal("UploadLayerPart", members)

    assert sent["lastByteReceived"] == 20 * MIB - 1
    assert answer == invalid("layerPartBlob", "Member must have length less than or equal to 20971520")


@pytest.mark.parametrize(
    ("first", "last", "size"),
    [
        (5, 9, 5),
        (11, 15, 5),
        (0, 4, 5),
        (10, 13, 5),
        (10, 15, 5),
        (10, 10, 0),
        (10, 9, 0),
        (10, 2**62, 5),
        (10, 0, 5),
        (2**63 - 1, 2**63 - 1, 1),
    ],
    ids=["overlap", "gap", "again", "too long", "too short", "empty", "nothing", "endless", "backwards", "far"],
)
def test_a_part_that_does_not_continue_tells_what_was_received(ecr, repository, first, last, size):
    upload_id = upload(ecr, repository, b"x" * 10)

    code, details = part_refusal(ecr, repository, **part(upload_id, first, b"y" * size, last))

    assert code == "InvalidLayerPartException"
    assert details == {
        "registryId": ACCOUNT,
        "repositoryName": repository,
        "uploadId": upload_id,
        "lastValidByteReceived": 9,
    }
    assert complete(ecr, repository, upload_id, digest(b"x" * 10))["layerDigest"] == digest(b"x" * 10)


def test_a_first_part_begins_at_zero(ecr, repository):
    upload_id = begin(ecr, repository)

    code, details = part_refusal(ecr, repository, **part(upload_id, 1, b"abc"))

    assert code == "InvalidLayerPartException"
    assert details["lastValidByteReceived"] == 0


def test_an_upload_without_a_part_is_empty(ecr, repository):
    upload_id = begin(ecr, repository)

    answer = refusal(
        ecr.complete_layer_upload, repositoryName=repository, uploadId=upload_id, layerDigests=[digest(b"")]
    )

    assert answer[0] == "EmptyUploadException"


@pytest.mark.parametrize("digests", [[ABSENT], ["sha512:" + "0" * 128], ["md5:00"], [ABSENT, "md5:00"]])
def test_a_layer_needs_one_of_the_digests(ecr, repository, digests):
    upload_id = upload(ecr, repository, b"bytes")

    answer = refusal(ecr.complete_layer_upload, repositoryName=repository, uploadId=upload_id, layerDigests=digests)

    assert answer == (
        "InvalidLayerException",
        "None of the provided layer digests match the calculated layer digest",
    )
    assert availability(ecr, repository, digest(b"bytes"))[0][0]["layerAvailability"] == "UNAVAILABLE"


def test_one_of_several_digests_is_enough(ecr, repository):
    upload_id = upload(ecr, repository, b"bytes")

    done = complete(ecr, repository, upload_id, "md5:00", ABSENT, digest(b"bytes"))

    assert done["layerDigest"] == digest(b"bytes")


def test_a_layer_may_be_named_by_its_sha512(ecr, repository):
    parts = [noise(5 * MIB), b"end"]
    whole = digest(b"".join(parts), "sha512")

    done = complete(ecr, repository, upload(ecr, repository, *parts), whole)

    assert done["layerDigest"] == whole


@pytest.mark.parametrize("parts", [[b"the same layer"], [noise(5 * MIB), b"end"]], ids=["one part", "two parts"])
def test_a_layer_that_is_there_already_is_told(ecr, repository, parts):
    whole = push(ecr, repository, *parts)
    upload_id = upload(ecr, repository, *parts)

    first = refusal(ecr.complete_layer_upload, repositoryName=repository, uploadId=upload_id, layerDigests=[whole])
    second = refusal(ecr.complete_layer_upload, repositoryName=repository, uploadId=upload_id, layerDigests=[whole])

    assert first[0] == "LayerAlreadyExistsException"
    assert whole in first[1]
    assert second[0] == "UploadNotFoundException"
    assert availability(ecr, repository, whole)[0][0]["layerAvailability"] == "AVAILABLE"


@pytest.mark.parametrize("parts", [[b"a new layer"], [noise(5 * MIB, "new"), b"end"]], ids=["one part", "two parts"])
def test_a_new_layer_is_kept_though_one_of_the_digests_is_of_a_layer_that_is_there(ecr, repository, parts):
    known, new = push(ecr, repository, b"another layer"), digest(b"".join(parts))

    done = complete(ecr, repository, upload(ecr, repository, *parts), known, new)

    assert done["layerDigest"] == new
    assert availability(ecr, repository, new)[0][0]["layerAvailability"] == "AVAILABLE"


def test_an_upload_is_completed_once(ecr, repository):
    upload_id = upload(ecr, repository, b"bytes")
    complete(ecr, repository, upload_id, digest(b"bytes"))

    answer = refusal(
        ecr.complete_layer_upload, repositoryName=repository, uploadId=upload_id, layerDigests=[digest(b"bytes")]
    )

    where = f"in the repository with name '{repository}' in the registry with id '{ACCOUNT}'"
    assert answer == ("UploadNotFoundException", f"The upload with id '{upload_id}' does not exist {where}")


def test_an_upload_that_nobody_began_is_not_found(ecr, repository):
    code, _ = part_refusal(ecr, repository, **part(UPLOAD_ID, 0, b"a"))
    answer = refusal(ecr.complete_layer_upload, repositoryName=repository, uploadId=UPLOAD_ID, layerDigests=[ABSENT])

    assert code == answer[0] == "UploadNotFoundException"


def test_an_upload_belongs_to_its_repository(ecr, repository):
    ecr.create_repository(repositoryName=f"{repository}/other")
    upload_id = upload(ecr, repository, b"bytes")

    code, _ = part_refusal(ecr, f"{repository}/other", **part(upload_id, 5, b"a"))

    assert code == "UploadNotFoundException"
    assert complete(ecr, repository, upload_id, digest(b"bytes"))["layerDigest"] == digest(b"bytes")


def test_an_upload_ends_with_its_repository(ecr, repository):
    upload_id = upload(ecr, repository, b"bytes")
    ecr.delete_repository(repositoryName=repository)
    ecr.create_repository(repositoryName=repository)

    code, _ = part_refusal(ecr, repository, **part(upload_id, 5, b"a"))

    assert code == "UploadNotFoundException"


UPLOAD_ID_PATTERN = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
LAYER_DIGEST_PATTERN = "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+"
GOOD_PART = {"uploadId": UPLOAD_ID, "partFirstByte": 0, "partLastByte": 0, "layerPartBlob": "YQ=="}


@pytest.mark.parametrize(
    ("operation", "members", "field", "constraint"),
    [
        (
            "UploadLayerPart",
            GOOD_PART | {"uploadId": "nonsense"},
            "uploadId",
            f"must satisfy regular expression '{UPLOAD_ID_PATTERN}'",
        ),
        (
            "UploadLayerPart",
            GOOD_PART | {"partFirstByte": -1},
            "partFirstByte",
            "Member must have value greater than or equal to 0",
        ),
        (
            "UploadLayerPart",
            GOOD_PART | {"partLastByte": -1},
            "partLastByte",
            "Member must have value greater than or equal to 0",
        ),
        ("UploadLayerPart", GOOD_PART | {"layerPartBlob": None}, "layerPartBlob", "Member must not be null"),
        (
            "CompleteLayerUpload",
            {"uploadId": UPLOAD_ID, "layerDigests": ["nonsense"]},
            "layerDigests",
            f"must satisfy regular expression '{LAYER_DIGEST_PATTERN}'",
        ),
        (
            "CompleteLayerUpload",
            {"uploadId": UPLOAD_ID, "layerDigests": []},
            "layerDigests",
            "Member must have length greater than or equal to 1",
        ),
        (
            "CompleteLayerUpload",
            {"uploadId": UPLOAD_ID, "layerDigests": [ABSENT] * 101},
            "layerDigests",
            "Member must have length less than or equal to 100",
        ),
        (
            "BatchCheckLayerAvailability",
            {"layerDigests": []},
            "layerDigests",
            "Member must have length greater than or equal to 1",
        ),
        (
            "BatchCheckLayerAvailability",
            {"layerDigests": [ABSENT] * 101},
            "layerDigests",
            "Member must have length less than or equal to 100",
        ),
        (
            "BatchCheckLayerAvailability",
            {"layerDigests": ["x" * 1001]},
            "layerDigests",
            "Member must have length less than or equal to 1000",
        ),
        (
            "GetDownloadUrlForLayer",
            {"layerDigest": "sha256:xyz"},
            "layerDigest",
            f"must satisfy regular expression '{LAYER_DIGEST_PATTERN}'",
        ),
    ],
)
def test_a_broken_constraint_is_named(product, repository, operation, members, field, constraint):
    answer = product.aws().refusal(operation, {"repositoryName": repository, **members})

    assert answer == invalid(field, constraint)


# ---- BatchCheckLayerAvailability


def test_known_and_unknown_layers_are_told_apart(ecr, repository):
    known = push(ecr, repository, b"bytes")

    layers, failures = availability(ecr, repository, known, ABSENT, "md5:00")

    assert failures == []
    assert {key: layers[0][key] for key in ("layerDigest", "layerAvailability", "layerSize")} == {
        "layerDigest": known,
        "layerAvailability": "AVAILABLE",
        "layerSize": 5,
    }
    assert layers[1:] == [
        {"layerDigest": ABSENT, "layerAvailability": "UNAVAILABLE"},
        {"layerDigest": "md5:00", "layerAvailability": "UNAVAILABLE"},
    ]


def test_a_layer_of_an_image_is_told_with_its_media_type(product, ecr, name):
    manifest = product.registry(name).push_image("v1")

    [layer], _ = availability(ecr, name, manifest.json()["layers"][0]["digest"])

    assert layer["mediaType"] == OCI_LAYER


def test_malformed_digests_are_failures_of_their_own(ecr, repository):
    malformed = ["nonsense", "sha256:", "sha256:xyz", f"{ABSENT}\n", "é:00", ":00", "x" * 1000]

    layers, failures = availability(ecr, repository, *malformed, "", ABSENT)

    assert [layer["layerDigest"] for layer in layers] == [ABSENT]
    assert [failure["layerDigest"] for failure in failures] == [*malformed, ""]
    assert [failure["failureCode"] for failure in failures] == ["InvalidLayerDigest"] * 7 + ["MissingLayerDigest"]
    assert all(failure["failureReason"] for failure in failures)


def test_a_layer_of_another_repository_is_unavailable(ecr, repository):
    known = push(ecr, repository, b"bytes")
    ecr.create_repository(repositoryName=f"{repository}/other")

    layers, _ = availability(ecr, f"{repository}/other", known)

    assert layers[0]["layerAvailability"] == "UNAVAILABLE"


# ---- GetDownloadUrlForLayer


def address(ecr, repository, layer):
    return ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=layer)["downloadUrl"]


def download(ecr, repository, layer, **headers):
    """Read a layer from its address, as anybody could."""
    parts = urlsplit(address(ecr, repository, layer))
    return Http(parts.netloc)("GET", parts.path, **headers)


def test_an_address_is_answered_with_every_key(product, ecr, name):
    layer = product.registry(name).push_image("v1").json()["layers"][0]["digest"]

    answer = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=layer)

    answer.pop("ResponseMetadata")
    assert set(answer) == {"downloadUrl", "layerDigest"}
    assert answer["layerDigest"] == layer
    assert answer["downloadUrl"].startswith(f"{product.url}/")


def test_an_address_needs_no_credentials(product, ecr, name):
    layer = product.registry(name).push_image("v1").json()["layers"][0]["digest"]

    answer = download(ecr, name, layer)

    assert answer.status == 200
    assert digest(answer.body) == layer


def test_an_address_serves_ranges(product, ecr, name):
    repository = product.registry(name)
    data = noise(3 * MIB)
    repository.push_blob(data)
    repository.push_manifest(
        document(OCI_MANIFEST, config=descriptor(OCI_CONFIG, data), layers=[descriptor(OCI_LAYER, data)])
    )

    middle = download(ecr, name, digest(data), range="bytes=1048570-2097200")
    tail = download(ecr, name, digest(data), range="bytes=-10")
    outside = download(ecr, name, digest(data), range="bytes=99999999-")

    assert (middle.status, middle.body) == (206, data[1048570:2097201])
    assert middle.headers["content-range"] == f"bytes 1048570-2097200/{3 * MIB}"
    assert (tail.status, tail.body) == (206, data[-10:])
    assert outside.status == 416


@pytest.mark.parametrize("position", [0, 10, -1])
def test_a_changed_address_is_worth_nothing(product, ecr, name, position):
    layer = product.registry(name).push_image("v1").json()["layers"][0]["digest"]
    prefix, _, secret = urlsplit(address(ecr, name, layer)).path.rpartition("/")
    letters = list(secret)
    letters[position] = "A" if letters[position] != "A" else "B"

    answer = Http(product.address)("GET", f"{prefix}/{''.join(letters)}")

    assert answer.status == 403
    assert layer.encode() not in answer.body


@pytest.mark.parametrize("text", ["", "nonsense", "é".encode().decode("latin-1"), "A" * 5000, "..", "%00"])
def test_an_address_that_nobody_was_given_is_worth_nothing(product, text):
    connection = HTTPConnection(product.address)
    connection.putrequest("GET", "/layers/")
    connection._buffer[0] = b"GET /layers/" + text.encode("latin-1") + b" HTTP/1.1"
    connection.endheaders()

    status = connection.getresponse().status

    connection.close()
    assert status in {400, 403, 404}


def test_a_layer_without_an_image_has_no_address(ecr, repository):
    layer = push(ecr, repository, b"bytes")

    code, message = refusal(ecr.get_download_url_for_layer, repositoryName=repository, layerDigest=layer)

    assert code == "LayerInaccessibleException"
    assert layer in message


@pytest.mark.parametrize("layer", [ABSENT, "md5:00", "sha256:00"])
def test_an_unknown_layer_has_no_address(ecr, repository, layer):
    code, message = refusal(ecr.get_download_url_for_layer, repositoryName=repository, layerDigest=layer)

    assert code == "LayersNotFoundException"
    assert layer in message


def test_a_layer_of_another_repository_has_no_address(product, ecr, name):
    layer = product.registry(name).push_image("v1").json()["layers"][0]["digest"]
    ecr.create_repository(repositoryName=f"{name}/other")

    code, _ = refusal(ecr.get_download_url_for_layer, repositoryName=f"{name}/other", layerDigest=layer)

    assert code == "LayersNotFoundException"


def test_an_address_has_the_name_by_which_the_caller_came_in(product, name):
    layer = product.registry(name).push_image("v1").json()["layers"][0]["digest"]
    members = {"repositoryName": name, "layerDigest": layer}

    answer = product.aws()("GetDownloadUrlForLayer", members, host="registry.example:443").json()

    assert re.match(r"http://registry\.example:443/", answer["downloadUrl"])


def test_layers_are_pushed_while_another_upload_of_the_same_bytes_is_open(ecr, repository):
    slow, fast = upload(ecr, repository, b"bytes"), upload(ecr, repository, b"bytes")

    done = complete(ecr, repository, fast, digest(b"bytes"))
    late = refusal(ecr.complete_layer_upload, repositoryName=repository, uploadId=slow, layerDigests=[digest(b"bytes")])

    assert done["layerDigest"] == digest(b"bytes")
    assert late[0] == "LayerAlreadyExistsException"


def test_an_image_uses_layers_of_both_doors(product, ecr, name):
    repository = product.registry(name)
    manifest = an_image(lambda data: push(ecr, name, data), seed="by the API")

    answer = repository.push_manifest(manifest, "v1")

    assert answer.status == 201

"""Amazon's own description of each service, as botocore bundles it, with our corrections; and that of our own."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from holdfast.model.replication import FilterType

if TYPE_CHECKING:
    from botocore.model import OperationModel, StructureShape

# Java's classes for letters, numbers and separators, in the words of Python, whose \w is letters, numbers and `_`.
_JAVA_LETTERS_SEPARATORS_NUMBERS = r"\p{L}\p{Z}\p{N}_"
_LETTERS_SEPARATORS_NUMBERS = r"\w \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

# The model's pattern, or a part of it → what is matched in its place. Messages keep the model's words.
CORRECTIONS = {
    # ScanningRepositoryFilterValue backtracks exponentially: 24 characters take 33 s. The same language in linear form.
    r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$": r"[a-z0-9*]+([._/-][a-z0-9*]+)*",
    _JAVA_LETTERS_SEPARATORS_NUMBERS: _LETTERS_SEPARATORS_NUMBERS,
    # STS writes the supplementary planes with five digits, which Python reads as four and a literal.
    r"\u10000-\u10FFFF": r"\U00010000-\U0010FFFF",
}

# The model has it for single digests, not for those of a batch, which are refused one by one in its words.
DIGEST_PATTERN = "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+"


# What Holdfast takes beyond Amazon's description, unless it shall behave as Amazon; boto3 sends it unchecked.
EXTENSIONS: dict[str, dict[str, dict[str, Any]]] = {
    "ecr": {
        "RepositoryFilterType": {"enum": ["PREFIX_MATCH", *FilterType]},
        "RepositoryFilterValue": {"pattern": "^[0-9a-zA-Z*._/-]+$"},
    }
}

OWN_MODELS = Path(__file__).parent / "own/models"


class Service:
    """One service: its operations, and the words by which requests name it."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self.operation_names: tuple[str, ...] = tuple(model.operation_names)
        self.signing_name: str = model.signing_name
        self.api_version: str = model.api_version
        self.target_prefix: str | None = model.metadata.get("targetPrefix")
        self.xml_namespace: str | None = model.metadata.get("xmlNamespace")
        self.faults = {shape.name: _status_and_code(shape) for shape in model.error_shapes}

    def find(self, operation_name: str) -> OperationModel | None:
        """The description of an operation, if the service has it."""
        if operation_name not in self.operation_names:
            return None
        return self._model.operation_model(operation_name)


def _status_and_code(shape: StructureShape) -> tuple[int, str]:
    error = shape.metadata.get("error", {})
    return error.get("httpStatusCode", 400), error.get("code", shape.name)


@cache
def load(service: str, *, is_extended: bool = False) -> Service:
    """Read the newest description of a service that botocore or we bundle; nothing else on the machine is looked at."""
    # The default search paths would let a file below ~/.aws/models change what we serve.
    folders = [Loader.BUILTIN_DATA_PATH, str(OWN_MODELS)]
    loader = Loader(extra_search_paths=folders, include_default_search_paths=False)
    model = loader.load_service_model(service, "service-2")
    if is_extended:
        shapes = {name: model["shapes"][name] | more for name, more in EXTENSIONS.get(service, {}).items()}
        model = model | {"shapes": model["shapes"] | shapes}
    return Service(ServiceModel(model, service))


def matches(pattern: str, value: str) -> bool:
    """Whether the whole of a value is what a pattern of a model describes."""
    return _compiled(pattern).fullmatch(value) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    corrected = pattern
    for wrong, right in CORRECTIONS.items():
        corrected = corrected.replace(wrong, right)
    is_about_unicode = _JAVA_LETTERS_SEPARATORS_NUMBERS in pattern
    return re.compile(corrected, re.UNICODE if is_about_unicode else re.ASCII)

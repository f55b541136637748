"""Upstreams that are an ECR: as whom they are asked, and where their API and their STS are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from holdfast.model.caching import CacheRule, Upstream, kind_of
from holdfast.model.remotes import AccessKey, Password, Remote
from holdfast.outbound.distribution import ecr_login
from tests.registry.ground import HOME

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECRET = f"arn:aws:secretsmanager:{HOME.region}:{HOME.account_id}:secret:ecr-pullthroughcache/it-AbCdEf"
ROLE = "arn:aws:iam::111122223333:role/reader"
KEY = "AKIAIOSFODNN7EXAMPLE"
AMAZON = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"


def rule(url, **members):
    return CacheRule(HOME, "it", Upstream(kind_of(url).name, url, credential_arn=SECRET, **members), NOW, NOW)


@pytest.mark.parametrize(
    ("url", "role", "name", "expected"),
    [
        (AMAZON, None, KEY, AccessKey(KEY, "s", "eu-west-1")),
        (AMAZON, ROLE, KEY, AccessKey(KEY, "s", "eu-west-1", role_arn=ROLE)),
        (AMAZON, ROLE, "AWS", Password("AWS", "s")),
        ("111122223333.dkr.ecr.eu-1.mine.example:5000", ROLE, KEY, AccessKey(KEY, "s", "eu-1", role_arn=ROLE)),
        ("registry.example", None, KEY, AccessKey(KEY, "s", HOME.region)),
        ("registry.example", None, "me", Password("me", "s")),
        ("registry-1.docker.io", None, "AKIA-me", Password("AKIA-me", "s")),
    ],
)
def test_a_secret_is_an_access_key_or_a_password(url, role, name, expected):
    assert rule(url, custom_role_arn=role).credentials(name, "s") == expected


@pytest.mark.parametrize(
    ("authority", "ecr", "sts"),
    [
        (AMAZON, "https://api.ecr.eu-west-1.amazonaws.com/", "https://sts.eu-west-1.amazonaws.com/"),
        (
            "111122223333.dkr.ecr-fips.us-east-1.amazonaws.com",
            "https://ecr-fips.us-east-1.amazonaws.com/",
            "https://sts-fips.us-east-1.amazonaws.com/",
        ),
        (
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "https://api.ecr.cn-north-1.amazonaws.com.cn/",
            "https://sts.cn-north-1.amazonaws.com.cn/",
        ),
        (
            "111122223333.dkr-ecr.eu-west-1.on.aws",
            "https://ecr.eu-west-1.api.aws/",
            "https://sts.eu-west-1.api.aws/",
        ),
        ("registry.example:5000", "https://registry.example:5000/", "https://registry.example:5000/"),
    ],
)
def test_amazons_api_and_sts_have_hosts_of_their_own(authority, ecr, sts):
    assert ecr_login.beside(Remote(authority)) == ecr
    assert ecr_login.sts_beside(Remote(authority)) == sts


def test_a_role_without_a_key_that_could_assume_it_is_told_when_the_rule_is_tried(cache):
    cache.call("DeletePullThroughCacheRule", ecrRepositoryPrefix=cache.prefix)
    cache.call("CreatePullThroughCacheRule", ecrRepositoryPrefix=cache.prefix, upstreamRegistryUrl=AMAZON,
               customRoleArn=ROLE)  # fmt: skip

    tried = cache.call("ValidatePullThroughCacheRule", ecrRepositoryPrefix=cache.prefix)

    assert not tried["isValid"]
    assert f"the role {ROLE} is assumed by an access key, and the rule has no secret with one" in tried["failure"]

"""Accounts that are a test's own, and people in them."""

from __future__ import annotations

import json
from typing import Any

from holdfast import registry

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


class Account:
    """An account of a started product, as its root sees it."""

    def __init__(self, product: Any, account_id: str) -> None:
        self.product = product
        self.id = account_id
        on = product.backends
        try:
            registry.accounts.create(on, account_id)
            key, secret = registry.accounts.create_key(on, account_id)
        finally:
            on.database.close()
        self.root = {"key_id": key.id, "secret": secret}

    @property
    def iam(self) -> Any:
        """IAM as the root of the account is answered."""
        return self.client("iam")

    def client(self, service: str, region: str = "us-east-1", **credentials: str) -> Any:
        """A boto3 client; the root's unless other credentials are given."""
        return self.product.aws_client(service, region, **(credentials or self.root))

    def a_user(self, name: str, policy: Any = None, **members: object) -> dict[str, str]:
        """Make a user with an access key, who may do everything, or what a policy says; the user's credentials."""
        self.iam.create_user(UserName=name, **members)
        if policy is None:
            self.iam.attach_user_policy(UserName=name, PolicyArn=ADMINISTRATOR)
        else:
            document = json.dumps({"Version": "2012-10-17", "Statement": policy})
            self.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        return self.a_key(name)

    def a_key(self, name: str) -> dict[str, str]:
        """Make an access key of a user; the user's credentials."""
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return {"key_id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}

"""What is set on a whole registry, one word a setting."""

from __future__ import annotations

from holdfast import registry
from holdfast.aws.operations import Call, Shape, operation, the_registry
from holdfast.model.account_settings import AccountSetting


def _setting_told(request: Shape) -> list[dict[str, str]]:
    return [{"ecr:accountsetting": request["name"]}]


@operation(on=the_registry, facts=_setting_told)
def get_account_setting(call: Call, request: Shape) -> Shape:
    """The value of a setting, or its default."""
    name = request["name"]
    return {"name": name, "value": registry.account_settings.get(call.on, the_registry(call, request), name)}


@operation(on=the_registry, facts=_setting_told)
def put_account_setting(call: Call, request: Shape) -> Shape:
    """Set a setting."""
    setting = AccountSetting(request["name"], request["value"])
    registry.account_settings.put(call.on, the_registry(call, request), setting)
    return {"name": setting.name, "value": setting.value}

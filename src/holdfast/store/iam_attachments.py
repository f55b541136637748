"""The policies of users, groups and roles: managed ones that are attached, and inline ones that are their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, null, select, union_all
from sqlalchemy import delete as delete_from

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import iam_attachments, iam_group_members, iam_groups, iam_inline_policies

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_of_entity = iam_attachments.c.entity_id == bindparam("entity")
_the_attachment = (_of_entity, iam_attachments.c.policy_arn == bindparam("arn"))
_ATTACHED = Statement(select(iam_attachments.c.policy_arn).where(_of_entity).order_by(iam_attachments.c.policy_arn))
_ATTACH = insertion(iam_attachments)
_DETACH = Statement(delete_from(iam_attachments).where(*_the_attachment))

_own = iam_inline_policies.c.entity_id == bindparam("entity")
_the_inline = (_own, iam_inline_policies.c.name == bindparam("which"))
_INLINE_NAMES = Statement(select(iam_inline_policies.c.name).where(_own).order_by(iam_inline_policies.c.name))
_INLINE = Statement(select(iam_inline_policies.c.document).where(*_the_inline))
_OTHER_INLINE = Statement(
    select(iam_inline_policies.c.document).where(_own, iam_inline_policies.c.name != bindparam("which"))
)
_INSERT_INLINE = insertion(iam_inline_policies)
_DELETE_INLINE = Statement(delete_from(iam_inline_policies).where(*_the_inline))

_groups = select(iam_group_members.c.group_id).where(iam_group_members.c.user_id == bindparam("entity"))
_GRANTED = Statement(
    union_all(
        select(iam_inline_policies.c.name, iam_inline_policies.c.document, iam_groups.c.name.label("group"))
        .select_from(iam_inline_policies.outerjoin(iam_groups, iam_groups.c.id == iam_inline_policies.c.entity_id))
        .where(_own | iam_inline_policies.c.entity_id.in_(_groups)),
        select(iam_attachments.c.policy_arn, null(), null()).where(
            _of_entity | iam_attachments.c.entity_id.in_(_groups)
        ),
    )
)


def attached(tx: Transaction, entity_id: str) -> list[str]:
    """The ARNs of the managed policies of an entity."""
    return tx.column(_ATTACHED, entity=entity_id)


def attach(tx: Transaction, entity_id: str, policy_arn: str, now: datetime) -> None:
    """Attach a managed policy that is not attached."""
    tx.run(_ATTACH, entity_id=entity_id, policy_arn=policy_arn, attached_at=now)


def detach(tx: Transaction, entity_id: str, policy_arn: str) -> bool:
    """Detach a managed policy; False if it is not attached."""
    return tx.run(_DETACH, entity=entity_id, arn=policy_arn) == 1


def inline_names(tx: Transaction, entity_id: str) -> list[str]:
    """The names of the inline policies of an entity, in order."""
    return tx.column(_INLINE_NAMES, entity=entity_id)


def inline(tx: Transaction, entity_id: str, name: str) -> str | None:
    """What an inline policy says."""
    text: str | None = tx.value(_INLINE, entity=entity_id, which=name)
    return text


def other_inline(tx: Transaction, entity_id: str, name: str) -> list[str]:
    """What the inline policies of all other names say."""
    return tx.column(_OTHER_INLINE, entity=entity_id, which=name)


def put_inline(tx: Transaction, entity_id: str, name: str, document: str) -> None:
    """Give an entity an inline policy, whatever it had under that name."""
    tx.run(_DELETE_INLINE, entity=entity_id, which=name)
    tx.run(_INSERT_INLINE, entity_id=entity_id, name=name, document=document)


def delete_inline(tx: Transaction, entity_id: str, name: str) -> bool:
    """Take an inline policy from an entity; False if it has none of that name."""
    return tx.run(_DELETE_INLINE, entity=entity_id, which=name) == 1


def granted(tx: Transaction, entity_id: str) -> list[Row]:
    """All policies of an entity, and those of the groups that it is in.

    An inline one has `name`, `document` and the `group` whose it is; a managed one has its ARN as `name`.
    """
    return tx.all(_GRANTED, entity=entity_id)

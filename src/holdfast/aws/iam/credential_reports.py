"""Who has which credentials, and when they were last changed and used."""

from __future__ import annotations

from holdfast import registry
from holdfast.aws.iam.account import the_account
from holdfast.aws.operations import Call, Shape, operation


@operation(on=the_account)
def generate_credential_report(call: Call, _request: Shape) -> Shape:
    """Make a report on all credentials of the account, unless one of the last four hours is there."""
    if not registry.iam.credential_reports.generate(call.on, call.caller.account_id):
        return {"State": "COMPLETE"}
    return {"State": "STARTED", "Description": "No report exists. Starting a new report generation task"}


@operation(on=the_account)
def get_credential_report(call: Call, _request: Shape) -> Shape:
    """The report that was made last, as a table with commas."""
    content, generated_at = registry.iam.credential_reports.get(call.on, call.caller.account_id)
    return {"Content": content, "ReportFormat": "text/csv", "GeneratedTime": generated_at}

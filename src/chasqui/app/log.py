"""`group log`: carried out on a node."""

from __future__ import annotations

from chasqui.app import requests
from chasqui.app.desk import stamp
from chasqui.app.log_results import Change, GroupLog
from chasqui.app.names import find_group
from chasqui.app.runner import Runner
from chasqui.base.ids import GroupId, MemberKey
from chasqui.groups.operation import Reason
from chasqui.node.log import log_of
from chasqui.node.transaction import Transaction
from chasqui.node.view_types import OperationView
from chasqui.node.views import group_view, member_name


def show(runner: Runner, request: requests.ShowLog) -> GroupLog:
    """Who changed what in a group, in the order that all devices agree on."""
    tx = runner.look()
    group = find_group(tx, request.group)
    changes = tuple(_line(tx, group, view) for view in log_of(tx, group))
    shown = group_view(tx, group)
    return GroupLog(group.hex(), shown.name, changes, shown.state)


def _line(tx: Transaction, group: GroupId, view: OperationView) -> Change:
    return Change(
        view.id.hex(),
        stamp(view.time_s)[:10],
        view.what,
        member_name(tx, group, view.by),
        view.by.hex(),
        member_name(tx, group, MemberKey(view.member)) if view.member else "",
        view.member.hex(),
        view.change.hex(),
        Reason(view.reason).name.lower() if view.reason else "",
        view.state,
    )

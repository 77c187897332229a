"""Every request, carried out: the same code in a command's own process and inside the daemon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from chasqui.app import contacts, groups, guests, links, log, messages, requests, results, syncing
from chasqui.app.desk import Ask, Surroundings
from chasqui.app.errors import UnfinishedVaultError
from chasqui.app.requests import Request
from chasqui.app.results import Result
from chasqui.app.runner import Runner
from chasqui.base.errors import UserError
from chasqui.node.pairing import load_self
from chasqui.node.records import Space
from chasqui.node.under_way import incoming, waiting
from chasqui.node.views import list_contacts

Answered = tuple[Result, bytes]
_Quick = Callable[[Runner, Any, bytes, Surroundings], Answered]


def carry_out(ask: Ask, request: Request, beside: bytes, around: Surroundings) -> Answered:
    """Does what a request asks; blocks until it is durable. Raises `ChasquiError`; then nothing was changed, unless
    the error says so."""
    slow = _SLOW.get(type(request))
    if slow is not None:
        return slow(ask, request, around), b""
    return ask(lambda runner: quick(runner, request, beside, around))


def is_quick(kind: type[Request]) -> bool:
    """Whether it is one job on the node, without a disk or network of its own."""
    return kind in _QUICK


def quick(runner: Runner, request: Request, beside: bytes, around: Surroundings) -> Answered:
    """A quick request, as a job."""
    handler = _QUICK.get(type(request))
    if handler is None:
        raise UserError("No daemon runs on this vault.")
    return handler(runner, request, beside, around)


def require_owner(runner: Runner) -> None:
    """Raises `UnfinishedVaultError` where the making of the vault was cut off before it had an owner."""
    if runner.look().get(Space.META, b"self") is None:
        raise UnfinishedVaultError(
            "The making of this vault was cut off.",
            safety="Nothing was ever in it.",
            todo="Remove its folder and run `chasqui init` again.",
        )


def wake(runner: Runner) -> None:
    """Once per opening of the vault: erases what has expired, sends receipts that are due."""
    runner.tick()


def _status(runner: Runner, request: requests.ShowStatus, around: Surroundings) -> results.Status:
    tx = runner.look()
    held = waiting(tx)
    return results.Status(
        str(around.home),
        load_self(tx).name,
        results.DaemonState(around.pid is not None, around.pid),
        links.lines_of(runner, around),
        groups.lines_of(tx),
        len(list_contacts(tx)),
        results.WaitingCounts(held.bundles, held.carried, tx.count(Space.INVITATION)),
        tuple(
            results.IncomingFile(file.group_name, file.name, file.size, (file.here, file.of), left)
            for file in incoming(tx)
            for left in (links.left_on_slowest(runner, around, file.size, file.here, "") or UNSET,)
        ),
    )


_QUICK: Final[dict[type[Request], _Quick]] = {
    requests.ShowStatus: lambda runner, request, _, around: (_status(runner, request, around), b""),
    requests.MakeOffer: lambda runner, request, *_: contacts.make_offer(runner, request),
    requests.Accept: lambda runner, request, beside, _: contacts.accept(runner, request, beside),
    requests.Verify: lambda runner, request, *_: (contacts.verify(runner, request), b""),
    requests.ListContacts: lambda runner, request, *_: (contacts.list_all(runner, request), b""),
    requests.CreateGroup: lambda runner, request, *_: (groups.create(runner, request), b""),
    requests.ListGroups: lambda runner, request, *_: (groups.list_all(runner, request), b""),
    requests.ShowGroup: lambda runner, request, *_: (groups.show(runner, request), b""),
    requests.ShowLog: lambda runner, request, *_: (log.show(runner, request), b""),
    requests.AddMember: lambda runner, request, *_: (groups.add(runner, request), b""),
    requests.AddGuest: lambda runner, request, *_: (guests.add(runner, request), b""),
    requests.JoinGroup: lambda runner, request, *_: (groups.join(runner, request), b""),
    requests.RemoveMember: lambda runner, request, *_: (groups.remove(runner, request), b""),
    requests.SetRole: lambda runner, request, *_: (groups.set_role(runner, request), b""),
    requests.Confirm: lambda runner, request, *_: (groups.confirm(runner, request), b""),
    requests.Accuse: lambda runner, request, *_: (groups.accuse(runner, request), b""),
    requests.Lift: lambda runner, request, *_: (groups.lift(runner, request), b""),
    requests.RejoinGroup: lambda runner, request, *_: (groups.rejoin(runner, request), b""),
    requests.CheckGroup: lambda runner, request, *_: (groups.check(runner, request), b""),
    requests.LeaveGroup: lambda runner, request, *_: (groups.leave(runner, request), b""),
    requests.SendText: lambda runner, request, _, around: (messages.send_text(runner, request, around), b""),
    requests.SendFile: lambda runner, request, data, around: (messages.send_file(runner, request, data, around), b""),
    requests.ChooseQuality: lambda runner, request, _, around: (messages.choose_quality(runner, request, around), b""),
    requests.SendVoice: lambda runner, request, data, around: (messages.send_voice(runner, request, data, around), b""),
    requests.Read: lambda runner, request, _, around: (messages.read(runner, request, around), b""),
    requests.Save: lambda runner, request, *_: messages.save(runner, request),
    requests.AddLink: lambda runner, request, *_: (links.add(runner, request), b""),
    requests.ListLinks: lambda runner, request, _, around: (links.list_all(runner, request, around), b""),
    requests.RemoveLink: lambda runner, request, *_: (links.remove(runner, request), b""),
}

_SLOW: Final[dict[type[Request], Callable[[Ask, Any, Surroundings], Result]]] = {
    requests.Sync: lambda ask, request, _: syncing.sync(ask, request),
    requests.TestLink: links.test,
}

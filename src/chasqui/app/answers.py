"""Which result answers which request: what the command expects from the socket."""

from __future__ import annotations

from typing import Final

from chasqui.app import requests, results
from chasqui.app.requests import Request
from chasqui.app.results import Result

ANSWER_OF: Final[dict[type[Request], type[Result]]] = {
    requests.ShowStatus: results.Status,
    requests.Stop: results.DaemonState,
    requests.MakeOffer: results.Offered,
    requests.Accept: results.Paired,
    requests.Verify: results.Verified,
    requests.ListContacts: results.Contacts,
    requests.CreateGroup: results.GroupMade,
    requests.ListGroups: results.Groups,
    requests.ShowGroup: results.GroupDetails,
    requests.AddMember: results.Added,
    requests.JoinGroup: results.GroupMade,
    requests.RemoveMember: results.Removed,
    requests.SetRole: results.MemberChanged,
    requests.Confirm: results.Confirmed,
    requests.Accuse: results.MemberChanged,
    requests.Lift: results.MemberChanged,
    requests.RejoinGroup: results.Asked,
    requests.CheckGroup: results.GroupChecked,
    requests.LeaveGroup: results.Left,
    requests.SendText: results.Sent,
    requests.SendFile: results.Sent,
    requests.ChooseQuality: results.QualityChosen,
    requests.SendVoice: results.Sent,
    requests.Read: results.Conversation,
    requests.Save: results.Saved,
    requests.AddLink: results.LinkMade,
    requests.ListLinks: results.Links,
    requests.TestLink: results.LinkTested,
    requests.RemoveLink: results.LinkGone,
    requests.Sync: results.Synced,
}

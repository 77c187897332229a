"""Which result answers which request: what the command expects from the socket."""

from __future__ import annotations

from typing import Final

from chasqui.app import log_results, message_results, requests, results
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
    requests.ShowLog: log_results.GroupLog,
    requests.AddMember: results.Added,
    requests.AddGuest: results.Guest,
    requests.JoinGroup: results.GroupMade,
    requests.RemoveMember: results.Removed,
    requests.SetRole: results.MemberChanged,
    requests.Confirm: results.Confirmed,
    requests.Accuse: results.MemberChanged,
    requests.Lift: results.MemberChanged,
    requests.RejoinGroup: results.Asked,
    requests.CheckGroup: results.GroupChecked,
    requests.LeaveGroup: results.Left,
    requests.SendText: message_results.Sent,
    requests.SendFile: message_results.Sent,
    requests.ChooseQuality: message_results.QualityChosen,
    requests.SendVoice: message_results.Sent,
    requests.Read: message_results.Conversation,
    requests.Save: message_results.Saved,
    requests.AddLink: results.LinkMade,
    requests.ListLinks: results.Links,
    requests.TestLink: results.LinkTested,
    requests.RemoveLink: results.LinkGone,
    requests.Sync: results.Synced,
}

"""The story, chapter by chapter. Whatever it tells has just happened: it waits for conditions, never for a time."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Final

from chasqui.app.demo.networks import Way
from chasqui.app.demo.people import Person, StoryError
from chasqui.app.demo.picture import draw_picture
from chasqui.app.demo.stage import Document, Stage
from chasqui.app.demo.sticks import bundle_ids

GROUP: Final = "harvest"
HELD: Final = "everything-held"  # a folder of a person's, to compare what devices hold
PICTURE: Final = "the-pass-at-dawn.png"
FIRST_TEXT: Final = "The lorries leave the mill on Thursday, not Friday. Tell nobody by telephone."
BEN_TEXT: Final = "Understood. I open the north gate at four."
DOV_TEXT: Final = "I bring the lists of names."
CARO_TEXT: Final = "Received in the valley. We have blankets for ninety and no doctor."
AFTER_TEXT: Final = "Dov was taken this morning. New meeting place: the chapel above the old quarry."
BEN_AFTER_TEXT: Final = "The chapel, then. I move the blankets tonight."
CARO_AFTER_TEXT: Final = (
    "I know about Dov. We come by the upper path: eleven people, two mules, the medicine. Sunday at dawn."
)
TEXTS: Final = (FIRST_TEXT, BEN_TEXT, DOV_TEXT, CARO_TEXT, AFTER_TEXT, BEN_AFTER_TEXT, CARO_AFTER_TEXT)


def tell(stage: Stage) -> None:
    """The whole story."""
    stage.known |= {f"text {number}": text.encode() for number, text in enumerate(TEXTS, 1)}
    stage.known |= {"the group's name": GROUP.encode(), "the file's name": PICTURE.encode()}
    vaults(stage)
    pairing(stage)
    group(stage)
    talk(stage)
    stick(stage)
    picture(stage)
    removal(stage)
    news_by_stick(stage)
    stage.end()


def vaults(stage: Stage) -> None:
    """Everybody makes a vault; those on the LAN switch their links on."""
    stage.chapter("Four people, four vaults")
    stage.says("Ana, Ben and Dov are on one local network in town.")
    if stage.wire.way is not Way.NONE:
        stage.screen.watcher(
            ["Machines: .1 Ana's, .2 Ben's, .3 Dov's; and .9,", "a stranger's who works for him. He sees no names."]
        )
    stage.show_command(stage.ana, "init", "--name", stage.ana.full_name)
    stage.show_command(stage.ana, "link", "add", "lan")
    stage.show_command(stage.ana, "up", "--detach")
    stage.says("Ben and Dov do the same. So does a stranger, who works for the watcher.")
    stage.all_of(person.begin("init", "--name", person.full_name) for person in stage.people)
    on_lan = [person for person in stage.people if person.address]
    stage.all_of(person.begin("link", "add", "lan", *_lan_options(stage, person)) for person in on_lan)
    stage.all_of(person.start_daemon() for person in on_lan)
    stage.says("Caro lives in a valley without any network. " + _without_network(stage, stage.caro))
    for person, folder in stage.sticks.items():
        stage.do(person, "link", "add", "folder", f"../{folder.name}")
    stage.ask(stage.eve, "link", "add", "folder", str(_strangers_folder(stage)))
    stage.block()
    others = len(on_lan) - 1
    for person in on_lan:
        stage.until(f"{person.name} had {others} neighbours", lambda p=person: _neighbours(stage, p) >= others)  # type: ignore[misc]
    stage.says("Their daemons have found each other. Anybody may be a neighbour: what they pass on is sealed.")


def pairing(stage: Stage) -> None:
    """Two files and a few words, at one table."""
    stage.chapter("They meet once, and pair")
    stage.screen.watcher(["Pairing files go from hand to hand across a", "table. The watcher is not in the room."])
    words = _pair(stage, stage.ben, shown=True)
    stage.screen.shows(f"Ana's screen: {' '.join(words[0])}")
    stage.screen.shows(f"Ben's screen: {' '.join(words[1])}")
    stage.says("Same words on both screens: nobody stood between them.")
    stage.do(stage.ana, "contact", "verify", stage.ben.full_name)
    for other in (stage.caro, stage.dov):
        _pair(stage, other, shown=False)
    stage.says("Ana pairs with Caro and with Dov in the same way. Their words are equal, too.")


def group(stage: Stage) -> None:
    """Ana makes a group and adds three."""
    stage.chapter("A group")
    made = stage.do(stage.ana, "group", "create", GROUP)
    stage.known["the group's id"] = bytes.fromhex(made["id"])
    for other in (stage.ben, stage.dov, stage.caro):
        stage.do(stage.ana, "group", "add", GROUP, other.full_name)
    stage.says("Ben and Dov are invited over the network, and join.")
    for other in (stage.ben, stage.dov):
        stage.until(f"{other.name} was invited", lambda p=other: _state(stage, p) == "invited")  # type: ignore[misc]
        stage.do(other, "group", "join", GROUP)
        stage.until(f"{other.name} was a member", lambda p=other: _state(stage, p) == "current")  # type: ignore[misc]
    shown = stage.ask(stage.ana, "group", "show", GROUP)
    stage.known |= {f"{member['name']}'s member key": bytes.fromhex(member["key"]) for member in shown["members"]}
    stage.says("Caro's invitation waits for the stick.")


def talk(stage: Stage) -> None:
    """Texts over the LAN."""
    stage.chapter("They talk: over the network")
    sent = stage.do(stage.ana, "send", GROUP, FIRST_TEXT)
    stage.known["a text's id"] = bytes.fromhex(sent["id"])
    stage.arrives(stage.ben, GROUP, FIRST_TEXT)
    stage.arrives(stage.dov, GROUP, FIRST_TEXT)
    stage.block()
    stage.do(stage.ben, "send", GROUP, BEN_TEXT)
    stage.arrives(stage.ana, GROUP, BEN_TEXT)
    stage.do(stage.dov, "send", GROUP, DOV_TEXT)
    stage.arrives(stage.ana, GROUP, DOV_TEXT)
    stage.block()
    stage.says("'Delivered' means that this person's own device signed for it:")
    _delivered_to(stage, FIRST_TEXT, stage.ben, stage.dov)


def stick(stage: Stage) -> None:
    """The invitation and the talk reach Caro, and her answer comes back."""
    stage.chapter("They talk: by a stick, hours later")
    stage.do(stage.ana, "sync")
    stage.courier(stage.ana, stage.caro)
    stage.block()
    stage.do(stage.caro, "sync")
    stage.do(stage.caro, "group", "join", GROUP)
    for text in (FIRST_TEXT, BEN_TEXT):
        stage.arrives(stage.caro, GROUP, text)
    stage.block()
    stage.do(stage.caro, "send", GROUP, CARO_TEXT)
    stage.do(stage.caro, "sync")
    stage.courier(stage.caro, stage.ana)
    stage.block()
    stage.do(stage.ana, "sync")
    stage.arrives(stage.ana, GROUP, CARO_TEXT)
    stage.says("Ana's device passes it on over the network by itself.")
    stage.arrives(stage.ben, GROUP, CARO_TEXT)
    _delivered_to(stage, FIRST_TEXT, stage.ben, stage.caro, stage.dov)


def picture(stage: Stage) -> None:
    """A picture of 200 KB."""
    stage.chapter("A picture")
    data = draw_picture()
    (stage.ana.folder / PICTURE).write_bytes(data)
    stage.known["the picture"] = data
    stage.known["the picture's first bytes"] = data[:24]
    fingerprint = hashlib.sha256(data).hexdigest()
    stage.known["the picture's hash"] = bytes.fromhex(fingerprint)
    stage.says(f"Ana sends a picture of {len(data):,} bytes. Its SHA-256 begins with {fingerprint[:16]}.")
    sent = stage.do(stage.ana, "send", GROUP, "--file", PICTURE)
    _save(stage, stage.ben, sent["id"], fingerprint)
    stage.block()
    stage.do(stage.ana, "sync")
    stage.courier(stage.ana, stage.caro)
    stage.do(stage.caro, "sync")
    _save(stage, stage.caro, sent["id"], fingerprint)


def removal(stage: Stage) -> None:
    """Dov is removed; his device goes on carrying bundles, and opens none of the new ones."""
    stage.chapter("Dov is arrested: his device is cut off")
    before = stage.messages(stage.dov, GROUP)
    stage.do(stage.ana, "group", "remove", GROUP, stage.dov.full_name)
    stage.until("Ben knew of it", lambda: stage.dov.full_name not in _present(stage, stage.ben))
    stage.says("The keys are new, and Dov's device has none of them. Ana and Ben go on talking.")
    stage.block()
    stage.do(stage.ana, "send", GROUP, AFTER_TEXT)
    stage.arrives(stage.ben, GROUP, AFTER_TEXT)
    stage.do(stage.ben, "send", GROUP, BEN_AFTER_TEXT)
    stage.arrives(stage.ana, GROUP, BEN_AFTER_TEXT)
    stage.block()
    stage.says("Dov's device is still on, on the same network. It has been handed every bundle that Ben has:")
    bens = _held(stage, stage.ben)
    dovs = _dov_holds(stage, bens)
    stage.screen.shows(f"Ben's device holds {len(bens)} bundles; all of them are among the {dovs} of Dov's")
    shown = stage.do(stage.dov, "group", "show", GROUP)
    stage.screen.shows(f"state: {shown['state']}")
    if shown["state"] != "removed":
        raise StoryError(f"Dov's device should say 'removed'; it says {shown['state']!r}.")
    _reads_nothing_new(stage, before)
    refused = stage.do(stage.dov, "send", GROUP, "What is new?", okay=(1,))
    stage.screen.shows(refused["said"].splitlines()[0] + " (exit 1)")


def news_by_stick(stage: Stage) -> None:
    """Caro learns of the removal before she can write to Dov."""
    stage.chapter("Caro, who is still offline, learns of it")
    _knows(stage, stage.caro, removed=False)
    stage.do(stage.ana, "sync")
    stage.courier(stage.ana, stage.caro)
    stage.block()
    stage.do(stage.caro, "sync")
    _knows(stage, stage.caro, removed=True)
    stage.arrives(stage.caro, GROUP, AFTER_TEXT)
    stage.says("From here on whatever she sends is under keys that Dov never had.")
    stage.do(stage.caro, "send", GROUP, CARO_AFTER_TEXT)
    stage.do(stage.caro, "sync")
    stage.courier(stage.caro, stage.ana)
    stage.block()
    stage.do(stage.ana, "sync")
    stage.arrives(stage.ben, GROUP, CARO_AFTER_TEXT)
    _delivered_to(stage, AFTER_TEXT, stage.ben, stage.caro)
    _dov_holds(stage, {bundle.id for file in stage.carried_last for bundle in file.bundles})
    after = [m["text"] for m in stage.messages(stage.dov, GROUP)]
    if any(text in after for text in (AFTER_TEXT, BEN_AFTER_TEXT, CARO_AFTER_TEXT)):
        raise StoryError("Dov's device read what was sent after his removal.")
    stage.screen.shows("Dov's device, which carries these bundles too, reads none of it.")


# -- pieces -----------------------------------------------------------------------------------------------------


def _lan_options(stage: Stage, person: Person) -> list[str]:
    """On a private network of its own a machine needs no options; on loopback it must say so."""
    if stage.wire.way is Way.CABLE:
        return []
    return ["--address", person.address, *(["--port", str(stage.port)] if stage.port else [])]


def _without_network(stage: Stage, person: Person) -> str:
    if stage.wire.way is Way.NONE:
        return "(Her processes could use this machine's network, but have no link to it.)"

    def interfaces() -> list[str]:
        listed = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
        return [line.partition(":")[0].strip() for line in listed]

    found = person.place.call(interfaces)
    probe = ["bash", "-c", f"exec 3<>/dev/tcp/{stage.ana.address}/80"]
    said = person.place.call(lambda: subprocess.run(probe, capture_output=True, text=True, check=False)).stderr
    if found != ["lo"] or "unreachable" not in said:
        raise StoryError(f"Caro's processes have a network: {found}, {said}")
    return "Her machine has no network card; whatever it dials, the answer is 'Network is unreachable'."


def _strangers_folder(stage: Stage) -> Path:
    folder = stage.folder / "what-the-stranger-was-handed"
    folder.mkdir(exist_ok=True)
    return folder


def _neighbours(stage: Stage, person: Person) -> int:
    """How many neighbours the daemon says that it has."""
    states = [link["state"] for link in stage.ask(person, "status")["links"] if link["kind"] == "lan"]
    numbers = [word for state in states for word in state.split() if word.isdigit()]
    return int(numbers[0]) if numbers else 0


def _pair(stage: Stage, other: Person, *, shown: bool) -> tuple[list[str], list[str]]:
    run = stage.do if shown else stage.ask
    offer, reply = f"for-{other.name.lower()}", f"for-ana-from-{other.name.lower()}"
    run(stage.ana, "contact", "offer", offer)
    _hand_over(stage.ana, other, offer)
    theirs = run(other, "contact", "accept", offer, "--as", stage.ana.full_name, "--reply", reply)
    _hand_over(other, stage.ana, reply)
    ours = run(stage.ana, "contact", "accept", reply)
    if ours["words"] != theirs["words"]:
        raise StoryError("The check words differ.")
    stage.known[f"{other.name}'s contact key"] = bytes.fromhex(ours["key"])
    stage.known[f"Ana's contact key for {other.name}"] = bytes.fromhex(theirs["key"])
    stage.known[f"the check words with {other.name}"] = " ".join(ours["words"][:3]).encode()
    return ours["words"], theirs["words"]


def _hand_over(giver: Person, taker: Person, name: str) -> None:
    (taker.folder / name).write_bytes((giver.folder / name).read_bytes())


def _state(stage: Stage, person: Person) -> str:
    groups = stage.ask(person, "group", "list")["groups"]
    return next((line["state"] for line in groups if line["name"] == GROUP), "")


def _present(stage: Stage, person: Person) -> list[str]:
    members = stage.ask(person, "group", "show", GROUP)["members"]
    return [member["name"] for member in members if member["state"] != "removed"]


def _knows(stage: Stage, person: Person, *, removed: bool) -> None:
    present = _dov_as(stage, person)
    stage.do(person, "group", "show", GROUP)
    stage.screen.shows(f"{person.name}'s list: {present}")
    if removed is not ("Dov: removed" in present):
        raise StoryError(f"{person.name}'s device says: {present}")


def _dov_as(stage: Stage, person: Person) -> str:
    dov = _member_key(stage, stage.dov)
    members = stage.ask(person, "group", "show", GROUP)["members"]
    return "Dov: " + next((member["state"] for member in members if member["key"] == dov), "removed")


def _member_key(stage: Stage, person: Person) -> str:
    return stage.known[f"{person.full_name}'s member key"].hex()


def _delivered_to(stage: Stage, text: str, *others: Person) -> None:
    """Waits until the receipts of these, and shows who has signed."""
    keys = {person.name: _member_key(stage, person) for person in others}

    def receipts() -> Document | None:
        found = next(m["receipts"] for m in stage.messages(stage.ana, GROUP) if m["text"] == text)
        return dict(found) if all(found.get(key) == "delivered" for key in keys.values()) else None

    found = stage.until(f"the devices of {', '.join(keys)} had signed", receipts)
    everybody = {p.name: _member_key(stage, p) for p in stage.members if p is not stage.ana}
    line = ", ".join(f"{name} {found[key]}" for name, key in everybody.items() if key in found)
    stage.show_command(stage.ana, "read", GROUP)
    stage.screen.shows(f"{text[:22]}… {line}")


def _save(stage: Stage, person: Person, ident: str, fingerprint: str) -> None:
    """Saves the picture once it is whole, and compares it."""

    def whole() -> bool:
        found = next((m for m in stage.messages(person, GROUP) if m["id"] == ident), None)
        return found is not None and found["parts"][0] == found["parts"][1]

    stage.until(f"{person.name} had all parts of the picture", whole)
    stage.do(person, "save", GROUP, ident[:8], PICTURE)
    saved = hashlib.sha256((person.folder / PICTURE).read_bytes()).hexdigest()
    if saved != fingerprint:
        raise StoryError(f"{person.name}'s picture is not the one that was sent.")
    stage.screen.shows(f"{person.name}'s copy: SHA-256 {saved[:16]}…, the same")


def _held(stage: Stage, person: Person) -> set[str]:
    """The ids of all bundles that somebody's device holds: it writes them into a folder of its own."""
    folder = person.folder / HELD
    if not folder.exists():
        folder.mkdir()
        stage.ask(person, "link", "add", "folder", HELD)
    stage.ask(person, "sync")
    return bundle_ids(folder)


def _dov_holds(stage: Stage, wanted: set[str]) -> int:
    """Waits until Dov's device holds all of these; how many it holds."""
    held = stage.until(
        "Dov's device held these bundles", lambda: held if wanted <= (held := _held(stage, stage.dov)) else None
    )
    return len(held)


def _reads_nothing_new(stage: Stage, before: list[Document]) -> None:
    after = stage.do(stage.dov, "read", GROUP)["messages"]
    if [m["id"] for m in after] != [m["id"] for m in before]:
        raise StoryError("Dov's device read something after his removal.")
    stage.screen.shows(f"{len(after)} messages, all from before: nothing of what Ana and Ben have sent since")

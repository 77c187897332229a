"""The two mls-rs bindings and ourselves behind one face, for interoperability tests and benches only."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Sequence
from typing import Any, Protocol

from chasqui.mls import (
    AddProposal,
    Capabilities,
    GroupState,
    KeyPackageKeys,
    RemoveProposal,
    create_group,
    join,
    join_external,
    make_key_package,
)
from tests.mls.support import Rng

NOW = 1_900_000_000
"""Unix seconds; the partners read their own clock, so key packages of ours are given the real time instead."""

EXPORT = ("interop", b"context", 32)


class Client(Protocol):
    """One member. Messages are MLSMessages; key packages are bare KeyPackage structures."""

    kind: str
    can: frozenset[str]
    name: bytes

    def key_package(self) -> bytes: ...
    def create(self, group_id: bytes) -> None: ...
    def join(self, welcome: bytes) -> None: ...
    def add(self, key_packages: Sequence[bytes]) -> tuple[bytes, list[bytes]]: ...
    def update(self) -> bytes: ...
    def remove(self, leaf: int, target: Client) -> bytes | None: ...
    def process(self, message: bytes, by: Client) -> None: ...
    def exported(self) -> bytes: ...
    def encrypt(self, data: bytes) -> bytes: ...
    def decrypt(self, message: bytes, by: Client) -> bytes: ...
    def group_info(self) -> bytes: ...
    def join_external(self, group_info: bytes) -> bytes: ...
    def close(self) -> None: ...


class Ours:
    """chasqui.mls."""

    kind = "chasqui"
    can = frozenset({"create", "add", "update", "remove", "export", "app", "external", "group_info"})

    def __init__(self, name: bytes, seed: object, now: int, suite: int = 1) -> None:
        self.entropy = Rng((name, seed))
        self.now = now
        self.name = name
        self.suite = suite
        self.capabilities: Capabilities | None = None
        self.signature = self.entropy(32)
        self.waiting: KeyPackageKeys | None = None
        self._state: GroupState | None = None
        self.past: dict[int, GroupState] = {}

    @property
    def state(self) -> GroupState:
        assert self._state is not None
        return self._state

    def _adopt(self, state: GroupState) -> None:
        if self._state is not None and state.epoch != self._state.epoch:
            self.past[self._state.epoch] = self._state
            self.past.pop(self._state.epoch - 3, None)
        self._state = state

    def key_package(self) -> bytes:
        self.waiting = make_key_package(
            self.suite,
            self.name,
            self.entropy,
            self.now,
            86_400,
            signature_private=self.signature,
            grease=True,
            capabilities=self.capabilities,
        )
        return self.waiting.key_package

    def create(self, group_id: bytes) -> None:
        self.key_package()
        assert self.waiting is not None
        self._state = create_group(self.suite, group_id, self.waiting, self.entropy)

    def join(self, welcome: bytes) -> None:
        assert self.waiting is not None
        self._state = join(welcome, self.waiting, now=self.now)

    def add(self, key_packages: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        made = self.state.commit([AddProposal(data) for data in key_packages], self.entropy, self.now)
        assert made.welcome is not None
        self._adopt(made.state)
        return made.message, [made.welcome] * len(key_packages)

    def update(self) -> bytes:
        made = self.state.commit([], self.entropy, self.now)
        self._adopt(made.state)
        return made.message

    def remove(self, leaf: int, target: Client) -> bytes | None:
        made = self.state.commit([RemoveProposal(leaf)], self.entropy, self.now)
        self._adopt(made.state)
        return made.message

    def process(self, message: bytes, by: Client) -> None:
        state = self.state.process(message).state
        assert state is not None
        self._adopt(state)

    def propose_received(self, message: bytes) -> None:
        """Takes a proposal that travels alone."""
        state = self.state.process(message).state
        assert state is not None
        self._state = state

    def exported(self) -> bytes:
        return self.state.export(*EXPORT)

    def encrypt(self, data: bytes) -> bytes:
        message, self._state = self.state.encrypt(data, b"", self.entropy)
        return message

    def decrypt(self, message: bytes, by: Client) -> bytes:
        epoch = int.from_bytes(message[4 + 1 + message[4] :][:8], "big")
        state = self.state if epoch == self.state.epoch else self.past[epoch]
        application, after = state.decrypt(message)
        if epoch == self.state.epoch:
            self._state = after
        else:
            self.past[epoch] = after
        return application.data

    def group_info(self) -> bytes:
        return self.state.group_info(external_pub=True)

    def join_external(self, group_info: bytes) -> bytes:
        self.key_package()
        assert self.waiting is not None
        made = join_external(group_info, self.waiting, self.entropy, self.now)
        self._state = made.state
        return made.message

    def close(self) -> None:
        pass


class AgentVault:
    """agentvault-mls-rs-uniffi: with exporter, without external commits."""

    kind = "agentvault"
    can = frozenset({"create", "add", "update", "remove", "export", "app"})

    def __init__(self, name: bytes) -> None:
        self.rs: Any = importlib.import_module("mls_rs_uniffi")
        rs = self.rs
        self.name = name
        pair = rs.generate_signature_keypair(rs.CipherSuite.CURVE25519_AES128)
        self.client: Any = rs.Client(name, pair, rs.client_config_default())
        self.group: Any = None
        self.identities: dict[bytes, Any] = {}

    def key_package(self) -> bytes:
        return bytes(self.client.generate_key_package_message().to_bytes()[4:])

    def create(self, group_id: bytes) -> None:
        self.group = self.client.create_group(group_id)

    def join(self, welcome: bytes) -> None:
        self.group = self.client.join_group(None, self.rs.Message.from_bytes(welcome)).group

    def add(self, key_packages: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        wrapped = [self.rs.Message.from_bytes(b"\0\1\0\5" + data) for data in key_packages]
        made = self.group.add_members(wrapped)
        self.group.process_incoming_message(made.commit_message)
        return made.commit_message.to_bytes(), [made.welcome_message.to_bytes()] * len(key_packages)

    def update(self) -> bytes:
        made = self.group.commit()
        self.group.process_incoming_message(made.commit_message)
        return bytes(made.commit_message.to_bytes())

    def remove(self, leaf: int, target: Client) -> bytes | None:
        """None when this client has never heard `target`: the binding names members by what their messages brought."""
        if target.name not in self.identities:
            return None
        made = self.group.remove_members([self.identities[target.name]])
        self.group.process_incoming_message(made.commit_message)
        return bytes(made.commit_message.to_bytes())

    def process(self, message: bytes, by: Client) -> None:
        received = self.group.process_incoming_message(self.rs.Message.from_bytes(message))
        self.identities[by.name] = received.committer

    def propose_received(self, message: bytes) -> None:
        self.group.process_incoming_message(self.rs.Message.from_bytes(message))

    def exported(self) -> bytes:
        label, context, length = EXPORT
        return bytes(self.group.export_secret(label.encode(), context, length))

    def encrypt(self, data: bytes) -> bytes:
        return bytes(self.group.encrypt_application_message(data).to_bytes())

    def decrypt(self, message: bytes, by: Client) -> bytes:
        received = self.group.process_incoming_message(self.rs.Message.from_bytes(message))
        self.identities[by.name] = received.sender
        return bytes(received.data)

    def group_info(self) -> bytes:
        raise NotImplementedError

    def join_external(self, group_info: bytes) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        self.group = self.client = None


class Rine:
    """rine-mls: with external commits, without exporter."""

    kind = "rine"
    can = frozenset({"create", "add", "remove", "app", "external", "group_info"})

    def __init__(self, name: bytes, seed: object, suite: int = 1) -> None:
        self.rine: Any = importlib.import_module("rine_mls")
        self.folder = tempfile.mkdtemp(prefix="rine-")
        self.client: Any = self.rine.MlsClient(self.folder, Rng((name, seed))(32), suite)
        self.name = bytes(self.client.public_key())
        self.group: Any = None

    def key_package(self) -> bytes:
        return bytes(self.client.generate_key_package()[4:])

    def create(self, group_id: bytes) -> None:
        self.group = self.client.create_group(group_id)

    def join(self, welcome: bytes) -> None:
        self.group = self.client.join_from_welcome(welcome)

    def add(self, key_packages: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        bundle = self.group.add_members([b"\0\1\0\5" + data for data in key_packages])
        return bundle.commit, list(bundle.welcomes)

    def update(self) -> bytes:
        raise NotImplementedError

    def remove(self, leaf: int, target: Client) -> bytes | None:
        return bytes(self.group.remove_member(leaf).commit)

    def process(self, message: bytes, by: Client) -> None:
        self.group.apply_commit(message)

    def exported(self) -> bytes:
        raise NotImplementedError

    def encrypt(self, data: bytes) -> bytes:
        payload = bytes(self.group.encrypt_application_message(data))
        assert payload[0] == self.rine.APP_MESSAGE_TAG
        return payload[1:]

    def decrypt(self, message: bytes, by: Client) -> bytes:
        payload = bytes((self.rine.APP_MESSAGE_TAG,)) + message
        return bytes(self.group.decrypt_application_message(payload).envelope)

    def group_info(self) -> bytes:
        return bytes(self.group.group_info())

    def join_external(self, group_info: bytes) -> bytes:
        self.group = self.client.join_by_external_commit(group_info)
        return bytes(self.group.last_commit().commit)

    def close(self) -> None:
        self.group = self.client = None
        shutil.rmtree(self.folder, ignore_errors=True)

"""Every bound of chasqui with the reason beside it. Units stand in the names."""

from __future__ import annotations

from typing import Final

# -- time ---------------------------------------------------------------------------------------------------
SECONDS_PER_DAY: Final = 86_400
MINUTES_PER_DAY: Final = 1_440
BUNDLE_AGE_DAYS_MAX: Final = 172  # 2^12 hours, the longest lifetime, are 170.7 days; one more for the day grain
BUNDLE_FUTURE_DAYS_MAX: Final = 1  # a clock may be a day ahead, more is a lie or a broken clock
LIFETIME_EXPONENT_MAX: Final = 12  # 2^12 hours: the day number mod 256 stays unambiguous
KEY_PACKAGE_LIFETIME_S: Final = 180 * SECONDS_PER_DAY  # a courier may need months to bring one

# -- members and groups -------------------------------------------------------------------------------------
GROUP_MEMBERS_MAX: Final = 128  # what the design is measured for
RETENTION_S_MAX: Final = 100 * 366 * SECONDS_PER_DAY  # longer than anybody keeps anything
NAME_BYTES_MAX: Final = 64  # one line on a small screen, in any script
GROUP_OPERATIONS_MAX: Final = 4_096  # ten years of a lively group; bounds members(ops)
OPERATIONS_TO_INVITE_MAX: Final = GROUP_OPERATIONS_MAX // 2  # then nobody is let in: a welcome holds all
OPERATIONS_IDLE_MAX: Final = 16  # of one member: those whose past is not here, that have no right, or are late
CHANGES_AT_ONCE_MAX: Final = 256  # of one member: everybody added or removed, and confirmed
CHANGE_EVERY_S: Final = 5_400  # 16 a day after that: an admin who fills the set needs four months, and is removed
OWN_AFFAIRS_AT_ONCE_MAX: Final = 64  # REJOINs, accusations, leaving; honest ones are a few a year
OWN_AFFAIR_EVERY_S: Final = SECONDS_PER_DAY  # a member who is no admin needs five years to fill the set
COMMITS_DEFERRED_MAX: Final = 16  # of one member; each is opened again whenever an operation comes
SIBLINGS_PER_COMMITTER_MAX: Final = 2  # children of one parent that are applied in a day
SLOT_FRAMES: Final = 120  # the same on a slow link, in airtimes of its largest frame: a commit of ten, and repeats
SLOT_S: Final = 5  # between the turns of two members: a commit crosses a LAN in one, sticks count turns as elapsed
COMMITS_A_DAY_MAX: Final = 64  # of one member; what is beyond waits: 10 ms and 35 kB each at 128 members
LETTING_IN_A_DAY_MAX: Final = GROUP_MEMBERS_MAX  # the same that let somebody in: a whole group on one evening
UNSETTLED_COMMITS_MAX: Final = 32  # renewals of one member above the settled root: half a year of them
TOLD_OPERATIONS_MAX: Final = 256  # with which somebody is told that he was removed: 80 kB
ASKED_MAX: Final = 256  # operations, and runs of numbers of one author, that one question names; 4 kB and 2 kB
CITED_MISSING_MAX: Final = 512  # ids that one member was the first to cite: a commit needs 192 and some witnesses
ASK_AGAIN_S: Final = 3 * SECONDS_PER_DAY  # what is on its way by a courier need not be asked for again
ANSWERED_BYTES_MAX: Final = 4 * 2**20  # for one asker in that time: 20,000 texts; the largest file takes 16 such times
ASKS_MAX: Final = 96  # of one member in that time: each may search all that is here
LEAF_BYTES_MAX: Final = 1_024  # ours are 200; 128 of them stay far below a record, whatever a member puts in
TAKEN_MAX: Final = GROUP_MEMBERS_MAX - 1  # accusers whom a quarantine can ask for: everybody but the accused
QUORUM_MAX: Final = 2  # admins behind a change; more would stand still in the field
OPERATION_HEADS_MAX: Final = 16  # more concurrent heads than this are never needed: an op merges them
WITNESSES_AT_ONCE_MAX: Final = 32  # removals in one object, 10 kB at worst fit a bundle; more wait for the next
WITNESSES_IDLE_MAX: Final = 64  # of one member: words on removals that are not here, and objects beyond one for each

# -- objects and bundles ------------------------------------------------------------------------------------
BUNDLE_STEPS: Final = (
    128, 160, 207, 240, 320, 480, 640, 800, 978, 1280, 1600, 1920,
    2560, 3200, 3840, 5120, 6400, 7680, 10240, 12800, 15360,
)  # fmt: skip  # fit LoRa 222/255, 508, packet radio 256; 978: ten seconds at 700C; waste <= 1/3 below 480
BUNDLE_BYTES_MAX: Final = BUNDLE_STEPS[-1]
BUNDLE_BYTES_MIN: Final = BUNDLE_STEPS[0]
SEQUENCE_MAX: Final = 2**24 - 1  # three bytes in the object
COUNTER_JUMP_MAX: Final = 2**16 - 1  # a long cut; bounds the hashing that one forged header can cause (36 ms)
COUNTER_WORN: Final = 3 * 2**13  # before the next message new keys are made; leaves room for the largest file
COUNTER_RENEW: Final = 2**15  # a sender renews its epoch before; the upper half is kept for reseals
RECEIPT_BITMAP_BYTES_MAX: Final = 255  # 2,040 objects out of order per author and receipt
AUTHOR_SPANS_MAX: Final = 2**14  # every second number of an epoch; 180 kB, a sixth of what a record may hold
CLAIMED_AHEAD_MAX: Final = COUNTER_RENEW  # what an author can say in one epoch; others' word on more is not shown
TEXT_BYTES_MAX: Final = 15_000  # one bundle; more is a file
FILE_BYTES_MAX: Final = 64 * 2**20  # what fits a vault on a small device
FILE_PART_BYTES: Final = 15_200  # the largest bundle less 30 of header and tag, 72 of object, 41 of part body
FILE_PARTS_MAX: Final = FILE_BYTES_MAX // FILE_PART_BYTES + 1
PARTS_UNANNOUNCED_MAX: Final = 256  # of one author, before their manifest: 4 MB; it travels first, so few are needed
WELCOME_WITNESSES_MAX: Final = 512  # objects in one welcome
WELCOME_WITNESS_BYTES_MAX: Final = 64 * 2**10  # of them altogether: two removals in a group of 128, 200 B a word
WELCOME_BYTES_MAX: Final = 512 * 2**10  # 2,048 operations and a tree of 128; an invitation stays below a record
SKIPPED_KEYS_MAX: Final = 8_192  # per sender and epoch, 0.9 MB: the largest file in any order, and as much again
FILE_NAME_BYTES_MAX: Final = 200  # below the 255 of common file systems
VOICE_BODY_BYTES_MAX: Final = 15_000  # one bundle, as a text; bounds what a hostile burst costs to decode: 171 s, 3 MB
VOICE_RECORDING_S_MAX: Final = 300  # eleven bursts of half a minute; what is longer is no message but a file

# -- pairing ------------------------------------------------------------------------------------------------
CHECK_WORDS: Final = 12  # 132 bits: a man in the middle of two files cannot match them (four words: 2^44)
SPARE_KEY_PACKAGES: Final = 8  # groups that a contact can add us to before the next exchange
SPARES_HELD_MAX: Final = 32  # key packages kept of one contact: the newest; more would only fill the vault
PAIRING_FILE_BYTES_MAX: Final = 65_536  # an offer is 300 bytes, a reply 6 KiB

# -- frames and sessions ------------------------------------------------------------------------------------
FRAME_BYTES_MAX: Final = 65_535  # two length bytes on a stream
FRAME_IDS_MAX: Final = 8_000  # 8-byte short ids in one frame
SESSIONS_MAX: Final = 256  # neighbours on one LAN
SESSION_REQUESTS_MAX: Final = 65_536  # announced ids that wait, 8 bytes each: 512 KiB per session; more is passed over
REQUEST_TIMEOUT_S: Final = 30  # one window is 1 MB: what answers slower than 33 kB/s shares its work with others
REQUESTS_OVERDUE_MAX: Final = 1_024  # late answers that are no breach: 16 windows, eight minutes of silence

CLOCK_AHEAD_DAYS_MAX: Final = 8  # how far ahead of the newest authentic bundle our clock may erase keys
RECORD_BYTES_MAX: Final = 2**20  # of one value in the store; what would be larger is refused where it comes in

# -- store --------------------------------------------------------------------------------------------------
CARRIED_BYTES_MAX: Final = 32 * 2**20  # held of others' groups: no more than half of a store of 64 MiB
CARRIED_OF_KNOWN_BYTES_MAX: Final = CARRIED_BYTES_MAX * 3 // 5  # came by links whose other end the owner chose
CARRIED_OF_STRANGERS_BYTES_MAX: Final = CARRIED_BYTES_MAX * 2 // 5  # by links on which anybody may say anything
CARRIED_LINK_SHARE: Final = 2  # of these, one link takes half
COURIER_FILE_BYTES_MAX: Final = 512 * 2**20  # a stick; read as a stream, never whole

"""Who may do what with a file on Windows, by its security descriptor. Pure.

What is read is a self-relative SECURITY_DESCRIPTOR (winnt.h) with owner and access list (DACL), as
`NtQuerySecurityObject` gives it: twenty bytes of head with offsets, then SIDs and entries.
"""

from __future__ import annotations

from uvx_policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# winnt.h: what may be done with a directory
ADD_FILE, ADD_SUBDIRECTORY, DELETE_CHILD = 0x2, 0x4, 0x40
DELETE, WRITE_DAC, WRITE_OWNER = 0x10000, 0x40000, 0x80000
_GENERIC_ALL, _GENERIC_WRITE = 0x10000000, 0x40000000

#: to put something else in the place of what lies in a directory
EXCHANGES_ENTRIES = DELETE_CHILD | WRITE_DAC | WRITE_OWNER | _GENERIC_ALL
#: ... in the place of the directory itself
EXCHANGES_ITSELF = DELETE | WRITE_DAC | WRITE_OWNER | _GENERIC_ALL
#: to decide what lies in a directory
CHANGES_CONTENT = (
    ADD_FILE | ADD_SUBDIRECTORY | EXCHANGES_ENTRIES | EXCHANGES_ITSELF | _GENERIC_WRITE
)


class Allowed(Value):
    """An entry that lets somebody do something with the file or directory itself."""

    #: SID
    trustee: str
    rights: int


class Descriptor(Value):
    """Owner and access list of a file or directory."""

    #: SID, "" when there is none
    owner: str
    #: `None`: there is no access list, and everybody may do everything
    allowed: tuple[Allowed, ...] | None

    def others(self, rights: int, *, user: str) -> str:
        """Who but `user` (a SID) and the machine's administrators has one of these; "": nobody.

        Entries that refuse something are left out: they only make it less.
        """
        if self.allowed is None:
            return "everybody"
        for entry in self.allowed:
            if entry.rights & rights and not is_trusted(entry.trustee, user):
                return _NAMES.get(entry.trustee, f"`{entry.trustee}`")
        return ""


def parse(content: bytes) -> Descriptor:
    """Read a descriptor. Raises `ValueError` for one that is not understood."""
    if len(content) < _HEAD or content[0] != 1:
        raise ValueError("not a security descriptor")
    control = _number(content, 2, 2)
    owner, access_list = _number(content, 4), _number(content, 16)
    allowed = None
    if control & _DACL_PRESENT and access_list:
        allowed = tuple(_allowed(content, access_list))
    return Descriptor(owner=_sid(content, owner) if owner else "", allowed=allowed)


def is_trusted(trustee: str, user: str) -> bool:
    """Is it the user, or one who may do everything on this machine anyway?"""
    return trustee in (user, *_ADMINISTRATORS) or trustee.startswith(_TRUSTED_INSTALLER)


def private(user: str) -> str:
    """SDDL of a directory, and all below it, for this user and the machine's administrators.

    Protected: nothing is handed down from above.
    """
    entries = "".join(f"(A;OICI;FA;;;{trustee})" for trustee in (user, "SY", "BA"))
    return f"O:{user}D:P{entries}"


#: the service that owns what Windows itself is made of
_TRUSTED_INSTALLER = "S-1-5-80-956008885-"
#: SYSTEM, Administrators; an entry for "owner rights" or "creator owner" means the owner
_ADMINISTRATORS = ("S-1-5-18", "S-1-5-32-544", "S-1-3-4", "S-1-3-0")
_NAMES = {
    "S-1-1-0": "everybody",
    "S-1-5-11": "every user of this machine",
    "S-1-5-32-545": "every user of this machine",
    "S-1-5-4": "whoever sits at this machine",
}

_HEAD, _DACL_PRESENT = 20, 4
#: ACCESS_ALLOWED_ACE; its variants for objects, callbacks (conditions), and both
_ALLOWS, _ALLOWS_OBJECT, _ALLOWS_IF, _ALLOWS_OBJECT_IF = 0, 5, 9, 11
#: entries that refuse, in the same four forms
_REFUSES = (1, 6, 10, 12)
_INHERIT_ONLY = 8
_LEAST_ENTRY = 16


def _allowed(content: bytes, at: int) -> Iterator[Allowed]:
    count = _number(content, at + 4, 2)
    at += 8
    for _ in range(count):
        kind, flags, size = (
            _number(content, at, 1),
            _number(content, at + 1, 1),
            _number(content, at + 2, 2),
        )
        if size < _LEAST_ENTRY or at + size > len(content):
            raise ValueError("an entry is cut short")
        sid = at + 8
        if kind in (_ALLOWS_OBJECT, _ALLOWS_OBJECT_IF):
            present = _number(content, sid)
            sid += 4 + 16 * ((present & 1) + (present >> 1 & 1))
        elif kind not in (_ALLOWS, _ALLOWS_IF, *_REFUSES):
            raise ValueError(f"an entry of the unknown kind {kind}")
        if kind not in _REFUSES and not flags & _INHERIT_ONLY:
            yield Allowed(trustee=_sid(content, sid), rights=_number(content, at + 4))
        at += size


def _sid(content: bytes, at: int) -> str:
    revision, count = _number(content, at, 1), _number(content, at + 1, 1)
    authority = int.from_bytes(content[at + 2 : at + 8], "big")
    parts = [_number(content, at + 8 + 4 * part) for part in range(count)]
    return "-".join(["S", *map(str, (revision, authority, *parts))])


def _number(content: bytes, at: int, size: int = 4) -> int:
    piece = content[at : at + size]
    if len(piece) != size:
        raise ValueError("it is cut short")
    return int.from_bytes(piece, "little")

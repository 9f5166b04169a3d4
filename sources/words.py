"""The closed lists of words in columns that decide who may be written to, and how a cell is compared with them.

docs/restrictions.md shows them as a table. A word outside its list restricts, and never permits.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

_FLOATS = {"1.0": "1", "1.00": "1", "0.0": "0", "0.00": "0"}
IGNORED = "_.'\"" + "".join(
    chr(code)
    for code in (*range(1, 0xD800), *range(0xE000, 0x10000), *range(0xE0000, 0xE0080))
    if unicodedata.category(chr(code)) in {"Zs", "Zl", "Zp", "Cc", "Cf", "Pd"}
)
"""What is left out of a word before it is compared: blanks, hyphens, invisible characters, quotes, dots."""
WIDE = "".join(chr(code) for code in range(0xFF01, 0xFF5F))
NARROW = "".join(chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F))
"""Full-width letters, and the plain ones that they stand for."""
_WITHOUT_IGNORED = str.maketrans("", "", IGNORED)

EVERY, NO_CHANNEL = "all", "unknown"
"""All of :data:`CHANNELS`, and an unknown one: a no on it counts on every channel, a yes on none."""


@dataclass(frozen=True)
class Vocabulary:
    """A closed list: each canonical word with its other spellings.

    ``unknown`` is the meaning of any other word; None where its row is set aside. ``ignored`` are known words without
    a meaning here.
    """

    words: Mapping[str, tuple[str, ...]]
    unknown: str | None = None
    ignored: tuple[str, ...] = ()

    @property
    def readings(self) -> dict[str, str]:
        """Canonical word by spelling, as :func:`plain` leaves it."""
        found = {plain(word): word for word in self.words}
        for word, others in self.words.items():
            found |= {plain(other): word for other in others}
        return found


def plain(text: str) -> str:
    """``text`` as it is compared: NFKC, small letters, no blanks, hyphens, underscores, dots, quotes or invisibles.

    1 and 0 may be floats, as '1.0'.
    """
    return unicodedata.normalize("NFKC", _FLOATS.get(text, text)).lower().translate(_WITHOUT_IGNORED)


_YES = (
    "yes", "true", "1", "opt in", "opted in", "subscribe", "granted", "given", "confirmed", "active", "accepted",
    "y", "t",
)  # fmt: skip
_NO = (
    "no", "false", "0", "opt out", "opted out", "unsubscribe", "withdrawn", "revoked", "denied", "declined", "refused",
    "gdpr opt out", "do not contact", "removed", "erased", "suppressed", "cleaned",
    "n", "f",
)  # fmt: skip

CHANNEL = Vocabulary(
    {
        "email": ("e-mail", "mail", "emails", "newsletter", "newsletters", "email marketing"),
        "sms": ("text", "text message", "mobile", "mms"),
        "phone": ("call", "telephone", "voice", "tel"),
        "post": ("postal", "letter", "direct mail", "print"),
        "profiling": ("profile", "personalisation", "personalization", "analytics"),
        EVERY: ("marketing", "any", "every channel", "all channels", "global"),
    },
    unknown=NO_CHANNEL,
)
STATUS = Vocabulary({"subscribed": _YES, "unsubscribed": _NO})
CONSENT = Vocabulary(
    {
        "subscribed": _YES,
        "unsubscribed": _NO,
        "never": ("never subscribed", "not subscribed", "none"),
        "unknown": ("pending", "unconfirmed", "not set"),
    }
)
EVENT = Vocabulary(
    {
        "Email Sent": ("sent", "send"),
        "Email Delivered": ("delivered", "delivery"),
        "Email Opened": ("open", "opened"),
        "Email Link Clicked": ("click", "clicked"),
        "Email Bounced": ("bounce", "bounced"),
        "Email Marked as Spam": ("spam", "spam complaint", "complaint", "abuse"),
        "Unsubscribed": ("unsubscribe", "unsub", "opt out"),
    },
    ignored=("processed", "queued", "scheduled", "accepted", "deferred", "delayed", "forwarded"),
)
BOUNCE = Vocabulary(
    {
        "hard": ("permanent", "invalid", "hard bounce", "cleaned"),
        "soft": ("transient", "temporary", "soft bounce"),
        "block": ("blocked", "policy"),
    },
    unknown="hard",
)
NO_WORDS = ("false", "0", "no", "n", "f", "off")
EMPTY_WORDS = ("", "[]", "{}", "none", "null", "nan", "na", "n/a", "nil", r"\N")
"""What stands in a cell that decides where it is empty."""
NO_REASON = (*EMPTY_WORDS, "false", "no", "0")
"""What stands in ``suppressed_reason`` where there is none."""

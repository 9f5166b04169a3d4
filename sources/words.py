"""The closed lists of words in columns that decide who may be written to, and how a cell is compared with them.

docs/restrictions.md shows them as a table. A word outside its list restricts, and never permits.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

_WHOLE_FLOAT = re.compile(r"(\d+)\.0+")
_IGNORED = re.compile(r"""[\s_.'"]+""")

CHANNELS = ("email", "sms", "phone", "post", "profiling")
EVERY, NO_CHANNEL = "all", "unknown"
"""All of :data:`CHANNELS`, and an unknown one: a no on it counts on every channel, a yes on none."""

RESTRICTIONS = ("opt_out", "complaint", "hard_bounce", "suppressed", "legal_hold", "unclear", "same_inbox")
"""Values of ``restriction`` in the log ``restrictions``; the last says only that a person reads an inbox."""


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

    A whole number written as a float, such as '1.0', becomes '1'.
    """
    letters = unicodedata.normalize("NFKC", text).lower()
    if whole := _WHOLE_FLOAT.fullmatch(letters):
        return whole[1]
    visible = (one for one in letters if unicodedata.category(one)[0] not in "ZC" and unicodedata.category(one) != "Pd")
    return _IGNORED.sub("", "".join(visible))


_YES = (
    "yes", "true", "1", "opt in", "opted in", "subscribe", "granted", "given", "confirmed", "active", "accepted",
)  # fmt: skip
_NO = (
    "no", "false", "0", "opt out", "opted out", "unsubscribe", "withdrawn", "revoked", "denied", "declined", "refused",
    "gdpr opt out", "do not contact", "removed", "erased", "suppressed", "cleaned",
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
NO_REASON = ("", "[]", "{}", "none", "null", "nan", "na", "n/a", "false", "no", "0")
"""Values of ``suppressed_reason`` that mean there is none."""

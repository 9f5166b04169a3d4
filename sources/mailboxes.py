"""At whom somebody's mailbox lies: a name out of a fixed list, never the domain of the address.

A domain of one's own names a person or an employer, so it ends here.
"""

import pyarrow as pa
import pyarrow.compute as pc

OTHER = "other"

_DOMAINS = {
    "gmail": ("gmail.com", "googlemail.com"),
    "outlook": (
        *("outlook.com", "outlook.de", "outlook.fr", "outlook.it", "outlook.es", "outlook.co.uk", "outlook.jp"),
        *("hotmail.com", "hotmail.co.uk", "hotmail.de", "hotmail.fr", "hotmail.it", "hotmail.es", "hotmail.nl"),
        *("live.com", "live.co.uk", "live.de", "live.fr", "live.it", "live.nl", "msn.com", "passport.com"),
    ),
    "yahoo": (
        *("yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "yahoo.it", "yahoo.es", "yahoo.ie", "yahoo.ca"),
        *("yahoo.co.in", "yahoo.in", "yahoo.com.br", "yahoo.com.au", "yahoo.co.jp", "ymail.com", "rocketmail.com"),
    ),
    "aol": ("aol.com", "aol.de", "aol.fr", "aol.co.uk", "aim.com"),
    "icloud": ("icloud.com", "me.com", "mac.com"),
    "proton": ("proton.me", "protonmail.com", "protonmail.ch", "pm.me"),
    "gmx": ("gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.com", "gmx.fr", "gmx.co.uk"),
    "web.de": ("web.de",),
    "mail.com": ("mail.com",),
    "t-online": ("t-online.de", "magenta.de"),
    "freenet": ("freenet.de",),
    "orange": ("orange.fr", "wanadoo.fr"),
    "free": ("free.fr",),
    "sfr": ("sfr.fr", "neuf.fr"),
    "laposte": ("laposte.net",),
    "libero": ("libero.it", "virgilio.it", "inwind.it", "iol.it"),
    "bt": ("btinternet.com", "btopenworld.com"),
    "sky": ("sky.com",),
    "virgin": ("virginmedia.com", "ntlworld.com", "blueyonder.co.uk"),
    "talktalk": ("talktalk.net", "tiscali.co.uk"),
    "comcast": ("comcast.net", "xfinity.com"),
    "att": ("att.net", "sbcglobal.net", "bellsouth.net"),
    "verizon": ("verizon.net",),
    "cox": ("cox.net",),
    "ziggo": ("ziggo.nl", "home.nl"),
    "kpn": ("kpnmail.nl", "planet.nl", "hetnet.nl"),
    "seznam": ("seznam.cz", "email.cz"),
    "wp": ("wp.pl", "o2.pl"),
    "onet": ("onet.pl", "op.pl"),
    "interia": ("interia.pl",),
    "uol": ("uol.com.br", "bol.com.br"),
    "rediffmail": ("rediffmail.com",),
    "mail.ru": ("mail.ru", "inbox.ru", "list.ru", "bk.ru"),
    "yandex": ("yandex.ru", "yandex.com", "ya.ru"),
    "rambler": ("rambler.ru",),
    "qq": ("qq.com", "foxmail.com"),
    "netease": ("163.com", "126.com", "yeah.net"),
    "naver": ("naver.com",),
    "daum": ("daum.net", "hanmail.net"),
    "zoho": ("zoho.com", "zohomail.com"),
    "fastmail": ("fastmail.com", "fastmail.fm"),
}

PROVIDERS = (*_DOMAINS, OTHER)
"""Every value of ``mailbox_provider``."""

# Nobody can have an address below .example (RFC 2606), so shops that do not exist use it: gmail.example.
_NAMED = {
    name: provider
    for provider, domains in _DOMAINS.items()
    for name in (*domains, f"{provider}.example", *(f"{domain}.example" for domain in domains))
}


def providers(addresses: pa.Array) -> pa.Array:
    """The provider of each normalised address, ``other`` for a domain that is not in the list; null of null."""
    coded = pc.replace_substring_regex(addresses, r"^.*@", "").dictionary_encode()
    named = [_NAMED.get(domain, OTHER) for domain in coded.dictionary.to_pylist()]
    return pa.array(named, pa.string()).take(coded.indices)

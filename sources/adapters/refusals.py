"""Refusals by the name of an event: vendors rename their events, and shops choose their own."""

from events.sql import quoted
from sources.words import EVERY, NARROW, WIDE

_NO_REFUSAL = (
    r"\bnot (a )?(spam|junk)\b", r"\bspam (check|score|filter|test)", r"\bprice dropped( e ?mail)?\b",
    r"\bcookies?( \w+)? consent( \w+)*", r"\bconsent( \w+)* cookies?\b", r"\bopt(ed|s|ing)? ?out of( \w+)? cookies?\b",
    r"\binsurance (opt(ed)? ?out|declined|removed)\b", r"\bopt(ed)? ?out of( \w+)? insurance\b",
    r"\bremoved from (block|black) ?list", r"\bopt ?out revoked\b",
    r"\b(un ?subscri\w*|opt ?out|spam|suppression)( page| form| link| preferences)* (viewed|visited|shown)$",
    r"^(viewed|visited) (the )?(un ?subscri\w*|opt ?out)( page| form| link)?$",
)  # fmt: skip
"""Phrases that have a word of a refusal in them and are none; what stands beside them still counts."""
_REFUSES = (
    r"\bun ?subscri", r"\bunsub(s|bed)?\b", r"\bopt(ed|s|ing)? ?out\b", r"\bspam", r"\bjunk\b", r"\babuse\b",
    r"^complaints?$", r"\bcomplain(s|ed)?$", r"\bcomplaints? received\b", r"\b(e ?mail|mail|spam|abuse) complain",
    r"\bsuppress", r"\bdropped e ?mail\b", r"\be ?mail dropped\b",
    r"\bdo(n t| ?not|nt) (contact|e ?mail|mail|market|send)", r"\b(block|black) ?list",
    r"\bconsent( \w+)* (revo|with|declin|den)", r"\b(revok|withdr|declin|den)\w*( \w+)* consent",
    r"\bremoved from( \w+)* list\b", r"\bcancell?ed (e ?mail|newsletter|mailing)", r"abgemeld", r"abmeld",
    r"d[ée]sabonn", r"d[ée]sinscri", r"afgemeld", r"uitgeschreven", r"wypisa",
)  # fmt: skip
_HOW_IT_WAS_SAID = r"\b(via|through|by)( an?)? \w+"
_CHANNELS = {
    "email": r"\b(e ?mails?|mails?|mailings?|newsletters?)\b",
    "sms": r"\b(sms|mms|text messages?|texts)\b",
    "phone": r"\b(phone|telephone|calls)\b",
    "post": r"\b(direct|postal|paper) mail(ings?)?\b",
    "profiling": r"\b(profiling|personali[sz](ation|ed))\b",
}
_ALL = r"\b(all|any|every|everything|marketing|globally)\b"
_PERHAPS_PROFILING = r"\b(profiles?|analytics|tracking)\b"
"""As often something else: such a refusal is one of e-mail beside it."""
_OTHER_CHANNELS = r"\b(push|whats ?app)\b"


def refused_channels(name: str) -> str:
    """SQL: the list of channels that an event refuses, by its name in the column ``name``, however it is spelt.

    Empty where it refuses nothing, or channels alone that no list goes to; e-mail where it names no channel; every one
    where it names all. In doubt a name is a refusal.
    """
    # Nearly all names are plain letters, and to translate takes a hundred times as long.
    narrow = f"CASE WHEN regexp_full_match({name}, '[ -~]*') THEN {name} ELSE {_translated(name)} END"
    apart = f"regexp_replace({narrow}, '([a-z])([A-Z])', '\\1 \\2', 'g')"
    spoken = f"trim(regexp_replace(lower({apart}), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g'))"
    words = f"trim(regexp_replace({spoken}, {quoted('|'.join(_NO_REFUSAL))}, ' ', 'g'))"
    about = f"regexp_replace({words}, {quoted(_HOW_IT_WAS_SAID)}, ' ', 'g')"
    beside_post = f"regexp_replace({about}, {quoted(_CHANNELS['post'])}, ' ', 'g')"

    def says(pattern: str, text: str = about) -> str:
        return f"regexp_matches({text}, {quoted(pattern)})"

    named = ", ".join(
        f"CASE WHEN {says(pattern, beside_post if channel == 'email' else about)} THEN {quoted(channel)} END"
        for channel, pattern in _CHANNELS.items()
    )
    named = f"list_filter([{named}], lambda channel: channel IS NOT NULL)"
    unnamed = (
        f"CASE WHEN {says(_ALL)} THEN [{quoted(EVERY)}] WHEN {says(_PERHAPS_PROFILING)} THEN ['email', 'profiling'] "
        f"WHEN {says(_OTHER_CHANNELS)} THEN [] ELSE ['email'] END"
    )
    refuses = "|".join(_REFUSES)
    # Nearly all names refuse nothing: what costs more is asked of the others alone.
    return (
        f"CASE WHEN {says(refuses, spoken)} IS NOT TRUE THEN []::VARCHAR[] WHEN NOT {says(refuses, words)} THEN [] "
        f"WHEN len({named}) > 0 THEN {named} ELSE {unnamed} END"
    )


def _translated(name: str) -> str:
    return f"translate({name}, {quoted(WIDE)}, {quoted(NARROW)})"

"""Why somebody is not written to, in words: every guard, outcome and shipped condition, in English and Urdu.

Each says something of one person and reads on after "this person", so that a page and a command can use it alike.
"""

from __future__ import annotations

from collections.abc import Mapping

Said = Mapping[str, str]
"""The same in English (``en``) and Urdu (``ur``)."""

GUARDS: Mapping[str, Said] = {
    "erased": {"en": "asked to be erased", "ur": "مٹائے جانے کی درخواست کی"},
    "legal_hold": {"en": "is under a legal hold", "ur": "قانونی روک کے تحت ہیں"},
    "opt_out": {"en": "opted out of e-mail", "ur": "ای میل سے انکار کیا"},
    "complaint": {"en": "marked an e-mail as spam", "ur": "ای میل کو اسپیم قرار دیا"},
    "hard_bounce": {"en": "has an address that does not exist (hard bounce)", "ur": "پتہ موجود نہیں (ای میل واپس آئی)"},
    "suppressed": {"en": "is suppressed by the shop or its platform", "ur": "دکان یا پلیٹ فارم نے روک رکھا ہے"},
    "unclear": {
        "en": "is named in a row that cannot be read in full",
        "ur": "کا نام ایسی قطار میں ہے جو پوری پڑھی نہیں جا سکتی",
    },
    "objection": {"en": "objected to profiling", "ur": "پروفائلنگ پر اعتراض کیا"},
    "no_consent": {"en": "gave no clear consent to e-mail", "ur": "ای میل کی واضح اجازت نہیں دی"},
    "no_address": {"en": "has no e-mail address", "ur": "ای میل پتہ نہیں"},
    "too_young": {"en": "is too young, or nobody knows how old", "ur": "عمر کم ہے یا معلوم نہیں"},
    "frequency_cap": {"en": "got as many messages lately as the shop allows", "ur": "حال ہی میں مقررہ حد تک پیغام ملے"},
    "recent_contact": {"en": "was written to a few days ago", "ur": "چند دن پہلے ہی پیغام ملا"},
    "open_ticket": {"en": "waits for an answer of the customer service", "ur": "کسٹمر سروس کے جواب کے منتظر ہیں"},
    "recent_ticket": {
        "en": "had to do with the customer service a few days ago",
        "ur": "چند دن پہلے کسٹمر سروس سے واسطہ پڑا",
    },
    "recent_order": {"en": "ordered a few days ago", "ur": "چند دن پہلے ہی آرڈر کیا"},
}
"""The rules of :data:`campaigns.guards.RULES`."""

OUTCOMES: Mapping[str, Said] = {
    "selected": {"en": "is on the list", "ur": "فہرست میں ہیں"},
    "held_out": {
        "en": "is held out by lot, to measure the effect",
        "ur": "اثر ناپنے کے لیے قرعے سے الگ رکھے گئے",
    },
    "contacted_by_list": {"en": "got this list's message not long ago", "ur": "اس فہرست کا پیغام حال ہی میں مل چکا"},
    "other_list": {"en": "gets another message in this run", "ur": "اس بار کوئی اور پیغام مل رہا ہے"},
    "same_inbox": {
        "en": "shares an address with somebody who gets a message in this run",
        "ur": "اسی پتے پر کسی اور کو پیغام مل رہا ہے",
    },
    "over_budget": {"en": "ranks below the budget of the list", "ur": "فہرست کی حد سے نیچے ہیں"},
}
"""What became of whoever fits a recipe and passes the guards, in the order in which it is decided."""

LEDGER: Mapping[str, Said] = {
    "already_in_campaign": {"en": "was chosen for this campaign before", "ur": "اس مہم میں پہلے ہی چنے جا چکے"},
    "one_a_run": {"en": "gets another message in this run", "ur": "اس بار کوئی اور پیغام مل رہا ہے"},
    "list_again": {"en": "got this list's message not long ago", "ur": "اس فہرست کا پیغام حال ہی میں مل چکا"},
    "duplicate_address": {
        "en": "shares an address with somebody who gets this message",
        "ur": "اسی پتے پر کسی اور کو یہ پیغام مل رہا ہے",
    },
    "not_in_vault": {"en": "has no id or address on record any more", "ur": "شناخت یا پتہ اب محفوظ نہیں"},
    "malformed_address": {"en": "has an address that cannot be written to", "ur": "پتہ درست نہیں"},
    "unsafe_identifier": {
        "en": "has an id or address that a spreadsheet could run as a formula",
        "ur": "شناخت یا پتے کو اسپریڈ شیٹ فارمولا سمجھ سکتی ہے",
    },
    "unknown": {"en": "is not known to the shop any more", "ur": "دکان اب انہیں نہیں جانتی"},
}
"""Why `wafa approve` and `wafa export` skip somebody, beside the guards: :data:`campaigns.caps.LEDGER_RULES`."""

MISFITS_URDU: Mapping[str, str] = {
    "never_ordered": "کبھی آرڈر نہیں کیا",
    "not_scored": "اسکور نہیں ہوا: بہت عرصے سے آرڈر نہیں، یا اعتراض کیا",
    "not_lapsed": "اپنے معمول کے حساب سے دیر نہیں ہوئی",
    "below_threshold": "جانے کا امکان کافی نہیں",
    "below_min_value": "بہت کم رقم داؤ پر ہے",
    "not_worth_it": "لکھنے کا خرچ متوقع فائدے سے زیادہ ہے",
    "lapsed_already": "پہلے ہی جا چکے",
    "no_sign": "کوئی ابتدائی علامت نہیں",
    "no_open_cart": "حال میں کوئی ٹوکری نہیں چھوڑی",
    "bought_since_cart": "اس کے بعد آرڈر کر چکے",
    "cart_too_recent": "ٹوکری ابھی استعمال میں ہو سکتی ہے",
    "not_browsing": "حال میں کچھ نہیں دیکھا",
    "bought_since": "اس کے بعد آرڈر کر چکے",
    "has_cart": "ٹوکری چھوڑی، جو زیادہ کہتی ہے",
    "browse_too_recent": "ابھی ابھی یہاں تھے",
    "too_few_views": "بہت کم چیزیں دیکھیں",
    "not_new": "ایک سے زیادہ آرڈر کر چکے",
    "no_step_due": "سلسلے کا کوئی قدم باقی نہیں",
    "not_delivered": "ابھی کچھ نہیں پہنچا",
    "not_lately": "آخری ڈیلیوری کے یہ دن نہیں",
    "had_trouble": "آرڈر میں مسئلہ ہوا؛ وہ تلافی کی فہرست کا کام ہے",
    "birthday_unknown": "سالگرہ معلوم نہیں",
    "not_due": "ابھی وقت نہیں آیا",
    "no_rhythm": "معمول جاننے کے لیے آرڈر بہت کم ہیں",
    "likely_to_leave": "جانے کا امکان ہے؛ وہ دوسری فہرستوں کا کام ہے",
    "not_best": "بہترین گاہکوں میں نہیں",
    "no_trouble": "حال میں کوئی مسئلہ نہیں ہوا",
    "ordered_since": "اس کے بعد دوبارہ آرڈر کیا",
    "no_address": "ای میل پتہ نہیں",
    "engaged": "سرگرم ہیں، یا انہیں ای میل کم ہی بھیجی جاتی ہے",
}
"""The conditions of the recipes that ship; in English each recipe says them with its own numbers."""


def spoken(language: str) -> dict[str, str]:
    """Every guard and outcome by its code, in one language."""
    return {code: said[language] for code, said in {**GUARDS, **OUTCOMES}.items()}


def skips(language: str) -> dict[str, str]:
    """Every reason for which somebody chosen is skipped at approval or export, by its code, in one language."""
    return {code: said[language] for code, said in {**GUARDS, **OUTCOMES, **LEDGER}.items()}


def misfits(said: Mapping[str, str], language: str) -> dict[str, str]:
    """The conditions of a list by rule in one language; ``said`` is what its manifest says in English.

    A condition of the shop's own has no words but those.
    """
    return dict(said) if language == "en" else {rule: MISFITS_URDU.get(rule, words) for rule, words in said.items()}

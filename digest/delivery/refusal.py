"""What a refusal is about: the address, the moment, or us. One vocabulary for replies, bounces and events (REQ-44)."""

import re
from enum import StrEnum


class Blame(StrEnum):
    """Whose trouble a refusal tells of, and so what follows from it."""

    HARD = "hard"  # there is no such address: never mail it again
    SOFT = "soft"  # the mailbox or the way to it: counts, and may pass
    OURS = "ours"  # our sender, content or reputation: says nothing about the address
    UNKNOWN = "unknown"  # it failed, and nobody says why


def either(*phrases: str) -> re.Pattern[str]:
    """A pattern that finds any of *phrases*, in upper or lower case, line by line."""
    return re.compile("|".join(phrases), re.IGNORECASE | re.MULTILINE)


NO_SUCH_ADDRESS = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"}
OURS = ("5.1.7", "5.1.8", "5.3.", "5.5.", "5.7.")
CONTENT = "5.6."
_SAYS_NOTHING = re.compile(r"(?:5\.(?:0\.\d+|1\.0|1\.9|2\.[01]|4\.\d+|5\.0))?")
"""statuses that leave the word to the text: undefined ones, a disabled mailbox, and routing (a host may be missing)"""

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_CODE = re.compile(r"(?<![\d.:#/-])([45][0-5]\d)(?=[ :-](?!\d+\.\d)|$)", re.MULTILINE)

_WHO = r"(?:user|recipient|addressee|mail ?box|account|alias|address)"
UNKNOWN_USER = either(
    rf"\b{_WHO}(?: name)?(?: (?:is|was))? (?:unknown|not (?:found|known|recognized|listed))\b",
    rf"\b(?:unknown|no such|invalid|non-?existent|illegal)(?: or illegal)?(?: (?:e-?mail|local|final|delivery)){{0,3}}"
    rf" (?:{_WHO}|person|userid)\b",
    rf"\b{_WHO}(?: [^\s@]{{1,80}}@\S{{1,120}})?(?: that you tried to reach)?,? (?:do(?:es)? ?n[o']t|no longer) exist",
    rf"\b{_WHO}(?: \S{{1,120}}){{0,3}} not listed in\b",
    rf"\b{_WHO}.{{0,80}} (?:couldn't be|could not be|was not|wasn't) found\b",
    r"\bno (?:mailbox|user|account)(?: here)? by that name\b",
    r"\bdoes(?: not|n't) have an? \S{1,120} account\b",
    rf"\bnot an? (?:\w{{1,20}} ){{0,2}}{_WHO}\b",
    r"\bnot our (?:user|customer)\b",
    r"\bno longer on server\b",
    r"\brecipient ?not ?found\b",
    r"\baddress is wrong or no longer valid\b",
    r"\brecipient address rejected: access denied\b",  # Exchange Online: not in the directory
    r"destinataire (?:invalide|inconnu)|utilisateur inconnu",
    r"unbekannter? (?:empfänger|benutzer)|(?:empfänger|benutzer) unbekannt",
    r"(?:adresse|boîte|buzón|casella|dirección|indirizzo|konto|mailbox|nutzer|postfach)\b.{0,30}"
    r" (?:existiert nicht|n'existe pas|nie istnieje|no existe|non esiste)",
    r"\bunknown local part\b|\bbad destination mailbox\b",
    r"usuario (?:desconocido|inexistente|no existe)|usuário (?:desconhecido|inexistente)|utente sconosciuto",
    r"пользовател\w+ не (?:найден|существует)",
    r"宛先が見つか|リストにありません|見つかりません|用户不存在|收件人(?:邮件地址)?(?:（[^）]{1,99}）)?不存在",
    r"#5\.1\.0 address rejected",  # Cisco's: not in the directory
)
_NO_SUCH_HOST = either(
    r"\b(?:host|domain)(?: or domain)?(?: name)? (?:(?:is )?unknown|not found|does not exist)\b",
    r"\b(?:unknown|no such|invalid|unrouteable|bad destination) (?:host|domain|mail domain|system)\b",
    r"\baccount or domain may not exist\b|\bdns domain \S{1,99} does not exist\b",
    r"\bunroutable address\b|\bpoint to non-existent hosts\b|\bindicated no smtp service\b",
    r"\bnxdomain\b|\bunrouteable address\b|\bname or service not known\b|does not accept mail \(nullmx\)",
    r"\brequested (?:mail )?action (?:not taken|aborted)[:,] mailbox (?:unavailable|not found)",
)
_OF_THE_SENDER = either(
    r"\bsender (?:address )?(?:verif|rejected)|\bverification failed for <|\bwhile verifying <",
    r"\b(?:daily|hourly|sending|submission|frequency)\b.{0,30}\b(?:limit|quota|exceed)",
    r"(?:e-?mails|failures|messages|recipients) per (?:day|hour|minute)",
)
"""it was our return path that a server could not verify, with what was said of *that*; or our relay has had enough"""
_FOR_NOW = either(r"\btry again\b|\btemporar|\btimed out\b")
_ABOUT_US = either(
    r"\b(?:spf|dkim|dmarc|ptr|rdns|dnsbl|rbl)\b|reverse dns|\breputation\b",
    r"(?<![a-z])spam|\bvirus|administrative prohibition|black ?-?list|block ?-?list|\bblocked\b|suspicious|unsolicited",
    r"\bpolic(?:y|ies)\b|\brelay(?:ing)?\b(?!=)|authenticat|not (?:allowed|authorized|permitted)|access denied",
    r"\bsender\b.{0,60}\b(?:rejected|denied|invalid|unknown|does not exist)|domain of sender|(?:after|to) MAIL FROM",
    r"invalid dns|sender.{0,40} null ?mx",
    r"too (?:many|large|big)|size (?:exceeds|limit)|message size|line limit|content|\bnot (?:a )?member",
    r"transaction failed|protocol|syntax|8-?bit|header",
)
_FULL = either(
    r"(?:mail ?box|folder|inbox|user|account)\b.{0,40}\b(?:full|over ?quota|exceed)",
    r"\bover ?quota\b|\bquota exceeded\b|\b(?:mailbox|disk|storage|mail) (?:is )?(?:full|quota)",
    r"insufficient (?:disk|system) (?:space|storage)|space (?:is )?not enough",
    r"exceeded (?:(?:the|its|his) )?(?:local limit|storage|quota)",
    r"casella piena|boîte .{0,40}\bpleine|(?:postfach|mailbox) .{0,20}\bvoll\b|邮箱(?:已满|空间不足)",
)


def blame(status: str, text: str = "", *, after_data: bool = False) -> Blame:
    """What a refusal with this enhanced *status* ("" if none was given) and in these words is about.

    *after_data*: it came when the server knew the message, so its words alone say nothing of the address.
    """
    text = " ".join(text.split())
    if status.startswith(("2.", "4.")):
        return Blame.SOFT
    if _OF_THE_SENDER.search(text):
        return Blame.OURS
    if _FULL.search(text):
        return Blame.SOFT
    if status in NO_SUCH_ADDRESS:
        return Blame.HARD
    if _SAYS_NOTHING.fullmatch(status) and (said := _said(text)):
        return Blame.SOFT if (after_data or status == "5.2.0") and said is Blame.HARD else said
    if status.startswith((*OURS, CONTENT)):
        of_the_reader = UNKNOWN_USER.search(text) and not _ABOUT_US.search(text)  # as Yandex and AT&T say it
        return Blame.SOFT if of_the_reader else Blame.OURS
    return Blame.SOFT if status or text else Blame.UNKNOWN


def _said(text: str) -> Blame | None:
    """What the words alone tell. A host that does not exist comes last: it may be the sender's."""
    if UNKNOWN_USER.search(text):
        return Blame.HARD
    if _ABOUT_US.search(text):
        return Blame.OURS
    return Blame.HARD if _NO_SUCH_HOST.search(text) and not _FOR_NOW.search(text) else None


def status_in(text: str, given: str = "") -> str:
    """The most telling enhanced status of *given* (what a report claims) and those in the server's words; or ""."""
    found = [*_STATUS.findall(text), *_STATUS.findall(given)]
    return next((s for s in found if not s.endswith(".0") and ".0." not in s), found[0] if found else "")


def class_in(text: str) -> str:
    """A status as far as an old reply code in *text* tells one: `4.0.0`, `5.0.0`, or ""."""
    found = _CODE.search(text)
    return f"{found[1][0]}.0.0" if found else ""

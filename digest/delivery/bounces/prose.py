"""Bounces that are written for people: who did not get it, and the words about each."""

import re
from collections.abc import Iterable

from digest.delivery.bounces.mail import ADDRESS, NAMED, Mail, plain
from digest.delivery.refusal import UNKNOWN_USER, either

_FAILURE = either(
    r"\bundeliver(?:able|ed)\b|\bun(?:able|successful)[\w ]{0,20} deliver|\bnon-delivery\b",
    r"(?:n't|\b(?:not|cannot|unable to|failed to|without))(?: \w+){0,4}"
    r" (?:deliver(?:ed|y)?|reach(?:ed)?|sent|received?|accepted)\b",
    r"\bdeliver\w*(?: \w+){0,3} (?:fail|problem|error|impossible)|\bfail\w*(?: \w+){0,2} deliver",
    r"\b(?:delivery|mail|mailer|message|permanent|fatal|addressing)[- ](?:status|fail|error|problem|rejected|fatal)",
    r"\breturned (?:mail|to sender)\b|\breturn(?:ing|ed) message to sender\b|\bfailure notice\b|\bmail system error\b",
    r"\bdid not (?:reach|receive)\b|\b(?:was|were|been) (?:\w+ )?(?:rejected|refused|returned|bounced)\b",
    r"\buser unknown\b|\bunknown user\b|\baddress(?:es|\(es\))? (?:\w+ )?(?:fail|had)",
    r"unzustellbar|nicht (?:zugestellt|übermittelt)|fehl\w{0,12} .{0,20}zustellung|zustellung .{0,60}fehlgeschlagen",
    r"non remis|pas (?:pu être|été) (?:remis|délivré|distribué)|échec de la (?:remise|distribution)",
    r"mancato recapito|non (?:è stato )?(?:consegnato|recapitato)|impossibile (?:consegnare|recapitare)",
    r"no se (?:ha podido|pudo|puede) entregar|não (?:foi )?entregue|недоставл|не может быть (?:отправлено|доставлено)",
    r"退信|被退回|投递失败|无法送达|無法傳送|配信(?:エラー|できま|に失敗)|送信できま|配達できま|전송(?:되지|에 실패)",
)
_DAEMON = either(
    r"mailer-daemon|post_?master|microsoftexchange|mail ?deliver|mail ?daemon|mdaemon|system administrator|<>|^$",
)
_DELAYED = either(
    r"\bdelayed\b|\(delay\)|\bwill retry for\b|warning: (?:message|could not send)|warning message only",
    r"has not yet been delivered|still (?:being )?(?:trying|queued|in the queue)",
    r"will (?:be retried|keep (?:on )?trying|continue (?:to try|for|trying))|delivery attempts will continue",
)
_ANSWER = either(r"^(?:re|aw|sv): ")
_GAVE_UP = either(r"giv(?:e|en|ing) up|permanent|could not be delivered|returned to sender|failed")
_AWAY = either(
    r"^(?:(?:re|aw|fwd?): ?){0,3}(?:auto(?:mat(?:ic|ed|ische))?[- ]?(?:reply|response|antwort|respuesta|svar))",
    r"^(?:(?:re|aw|fwd?): ?){0,3}(?:out of (?:the )?office|away (?:from|until)|(?:on )?vacation|abwesen|abwesenheit)",
    r"^(?:(?:re|aw|fwd?): ?){0,3}(?:réponse auto|respuesta auto|risposta auto|resposta auto|automatisch antwoord)",
    r"^(?:(?:re|aw|fwd?): ?){0,3}(?:automat\w{2,5} (?:odpowied|svar|vastaus|odpověď)|автоматический ответ|автоответ)",
    r"^(?:absent|absence|fuera de|fuori (?:sede|ufficio)|ausência)\b",
    r"^(?:自動(?:返信|応答|回覆)|自动(?:回复|答复)|不在(?:通知|のお知らせ)|자동 ?(?:회신|응답))",
)
_NAMED = (
    either(
        r"^[\W_]{0,8}(?:(?:(?:final|original|failed)[- ]?)?(?:recipient|error-for)s?"
        r"|empfänger|destinat(?:aire|ario)|получатель|收件人|宛先|받는사람)[:：] {0,8}"
        r"(?:rfc822; ?)?[<\[]{0,2}(?:smtp:)?" + NAMED
    ),
    either(r"\bRCPT TO: {0,4}<?" + NAMED),
    either(r"^[ \t>*•-]{0,12}[<\[(\"]{0,2}" + NAMED + r"(?=$|[\s:,.(<>\])\"])"),
)
_MENTIONED = either(
    r"(?:deliver\w{0,9}|recipients?|address|users?|mailbox|reach\w*|message|inbox)"
    r"(?: \S{1,20}){0,6}?[ :\n\t]{1,4}[<\[(\"']{0,2}" + NAMED
)
_NOBODY = re.compile(
    r"^(?:postmaster|mailer-?daemon|abuse|support|help(?:desk)?|hostmaster|webmaster|no-?reply|root)@", re.I
)


def is_auto_reply(mail: Mail) -> bool:
    """Someone's machine answers that they are away; or speaks in a form that nobody knows (RFC 3834)."""
    submitted = mail.header("Auto-Submitted").lower()
    told = any(mail.header(name) for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Reply", "X-Autoresponder"))
    if _FAILURE.search(mail.header("Subject")) and _DAEMON.search(mail.header("From")):
        return False
    away = "vacation" in mail.header("X-Apple-Action").lower() or mail.header("Precedence").lower() == "auto_reply"
    return submitted.startswith("auto-replied") or told or away or bool(_AWAY.search(mail.header("Subject")))


def is_delay(mail: Mail) -> bool:
    """Nothing has failed yet."""
    if _DELAYED.search(mail.header("Subject")):
        return True
    return bool(_DELAYED.search(mail.notice)) and not _GAVE_UP.search(mail.header("Subject") + mail.notice)


def is_failure(mail: Mail) -> bool:
    """A mail system says so, in a subject or in its first words."""
    subject, words = mail.header("Subject"), mail.notice[:3000]
    machine = bool(_DAEMON.search(mail.header("From"))) or mail.header("Return-Path") == "<>"
    if _FAILURE.search(subject):
        return machine or (bool(_FAILURE.search(words)) and not _ANSWER.search(subject))
    return machine and bool(_FAILURE.search(words) or UNKNOWN_USER.search(words))


def failed_in_header(mail: Mail) -> list[str]:
    """`X-Failed-Recipients`, as Exim and Gmail write it."""
    values = mail.message.get_all("X-Failed-Recipients", [])
    return unique(address for value in values for address in ADDRESS.findall(plain(value)))


def named(mail: Mail) -> list[str]:
    """Who is named as mail systems name those that did not get it: in a field, a command, at the start of a line."""
    return _found(mail, _NAMED)


def mentioned(mail: Mail) -> list[str]:
    """Who occurs in a sentence about delivery; else whom our message was for."""
    for_whom = (a for inner in mail.returned for a in ADDRESS.findall(plain(inner.get("To", ""))))
    return _found(mail, (_MENTIONED,)) or unique(for_whom)[:1]


def _found(mail: Mail, patterns: Iterable[re.Pattern[str]]) -> list[str]:
    """By the first pattern that occurs; this mail's own addresses are left out unless there are no others."""
    spared = {a.lower() for name in ("To", "From", "Delivered-To") for a in ADDRESS.findall(mail.header(name))}
    for pattern in patterns:
        named = unique(a.rstrip(".") for a in pattern.findall(mail.notice) if not _NOBODY.match(a))
        if found := [a for a in named if a.lower() not in spared] or named:
            return found
    return []


def about(address: str, others: Iterable[str], notice: str) -> str:
    """The words about one of several recipients: from its name to the next one's; all words for a single one."""
    rest = [other for other in others if other != address]
    if not rest:
        return notice
    lower = notice.lower()
    start = lower.rfind(f"{address.lower()}>:") if f"{address.lower()}>:" in lower else lower.find(address.lower())
    if start < 0:
        return notice
    ends = [at for other in rest if (at := lower.find(other.lower(), start + len(address))) > 0]
    return notice[start : min(ends, default=len(notice))]


def unique(addresses: Iterable[str]) -> list[str]:
    return list({address.lower(): address for address in reversed(list(addresses))}.values())[::-1]

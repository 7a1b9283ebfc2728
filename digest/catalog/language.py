"""The language of a text, as cheaply as can be told: by its letters, and for Latin letters by its small words."""

_SCRIPTS = (
    ("ja", "\u3040", "\u30ff"), ("zh", "\u4e00", "\u9fff"), ("ko", "\uac00", "\ud7a3"), ("ru", "\u0400", "\u04ff"),
    ("ar", "\u0600", "\u06ff"), ("he", "\u0590", "\u05ff"), ("el", "\u0370", "\u03ff"), ("th", "\u0e00", "\u0e7f"),
    ("hi", "\u0900", "\u097f"),
)  # fmt: skip
_SMALL = {
    "en": "the of and to in is for that with we are this on by from an as which",
    "de": "der die und das von den mit für ist eine zu des auf wird werden ein im sich",
    "fr": "le la les des et une est dans pour du que sur par avec nous sont au ces",
    "es": "el los las del y una en que para por con se como más son este al",
    "pt": "o os das dos e uma em que para por com não são mais como ao na",
    "it": "il gli delle di e una che per con sono nel della dei alla come questo si",
    "nl": "de het een en van voor met zijn dat op aan door bij worden naar ook wordt",
    "pl": "i w z na do jest się oraz dla nie przez od które ich tym jako",
    "sv": "och att det som för är av en med den till på ett har inte",
    "tr": "ve bir bu için ile olarak olan da de gibi daha çok veya",
    "id": "dan yang di untuk dengan dari pada ini dalam adalah tidak oleh sebagai",
}
_WORDS = {name: frozenset(words.split()) for name, words in _SMALL.items()}


def language(text: str) -> str:
    """ISO 639-1, or nothing where too little tells."""
    text = text[:400]
    if not text.isascii():
        letters = [c for c in text if c > "\u036f"]
        found = {name: sum(low <= c <= high for c in letters) for name, low, high in _SCRIPTS}
        if found["ja"]:
            found["ja"] += found["zh"]
        name, count = max(found.items(), key=lambda pair: pair[1])
        if count * 3 > sum(map(str.isalpha, text)):
            return name
    words = set(text.lower().split())
    if len(words & _WORDS["en"]) >= 5:  # nearly always, and no other language has so many of them
        return "en"
    told = sorted(((len(words & small), name) for name, small in _WORDS.items()), reverse=True)
    (count, best), (next_best, _) = told[:2]
    return best if count >= 2 and count > next_best else ""

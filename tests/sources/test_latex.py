import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.sources.latex import readable
from digest.sources.text import clean
from digest.sources.text import readable as plain


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"$O(n^2)$ in $\mathbb{R}^{d}$", "O(n²) in ℝᵈ"),
        (r"$10^{-3}$, $x_{i+1}$, $\Delta_{max}$, $H_2O$, $^{13}$C", "10⁻³, xᵢ₊₁, Δₘₐₓ, H₂O, ¹³C"),
        (r"$x_{\theta}$ and $\mathcal{L}_{\text{CE}}$, $a^{n-k*m}$", "x_θ and ℒ_CE, aⁿ⁻ᵏ*ᵐ"),
        (r"$e^{i \pi x}$", "e^(i π x)"),
        (r"$\frac{a}{b}$ but $\frac{a+b}{c}$", "a/b but (a+b)/c"),
        (r"$\left( \sum_{i=1}^n x_i \right)$, $\|x\|_2$, $\boldsymbol{z}$", "( ∑ᵢ₌₁ⁿ xᵢ ), ‖x‖₂, z"),
        (r"$\sim$5 to $\pm 0.3$, p$<$0.05, 90$^\circ$", "∼5 to ± 0.3, p<0.05, 90°"),
        (r"\(x \leq y\) and \[z\]", "x ≤ y and z"),
        (r"K\"{a}hler, Erd\H{o}s, na\"{\i}ve, L\'evy, \v{S}koda", "Kähler, Erdős, naïve, Lévy, Škoda"),
        (r"\o{}re, Stra\ss e, \AA ngstr\"om, {\L}ukasz", "øre, Straße, Ångström, Łukasz"),
        (r"\textbf{Bold 5% \emph{and} more}, {\it so}, \textsc{Name}", "Bold 5% and more, so, Name"),
        (r"50\% of R\&D, a\_b, \$5", "50% of R&D, a_b, $5"),
        (r"\href{https://x.org}{Code} at \url{https://y.org/a_b}", "Code at https://y.org/a_b"),
        (r"as shown~\citep{a,b}, and\footnote{Or not.} more", "as shown, and more"),
        (r"\unicode{x2013} 10\textsuperscript{th}", "– 10ᵗʰ"),
        ("``quoted'' and **strong** and *it is*", "“quoted” and strong and it is"),
    ],
)
def test_markup_becomes_letters(written, read):
    assert readable(written) == read


@pytest.mark.parametrize(
    "text",
    [
        "costs $5 million, $10 or $5-$10",
        "A* and B* search, 5 * 3 * 2, 2**8 and __init__",
        r"we propose \method{}, on C:\new\file",
        r"today is \today \input{/etc/passwd}",
        r"a lone $\frac{a}{$ is broken",
        r"an open \textbf{brace",
        "95% of {all} sets # 1 & 2 ~ 3",
    ],
)
def test_what_is_no_markup_or_cannot_be_read_stays(text):
    assert readable(text) == text


def test_what_latex_spells_is_cleaned_again():
    assert plain(clean(r"\textless{}img src=x onerror=alert(1)\textgreater{} a \unicode{x202e}b")) == "a b"


MARKUP = r"\textbf{ \frac{ \cite{ \' \'{ \url{ \unicode{x3c} $ $$ \( \) { } ** * ^ _ % & < > a 1"
PIECES = st.sampled_from([" ", *MARKUP.split()])


@given(st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join))
def test_readable_text_is_one_printable_line_without_tags(raw):
    read = plain(clean(raw))
    assert read.isprintable()
    assert read == " ".join(read.split())
    assert not re.search(r"<(?:script|img|svg|a)\b[^<>]*>", read)


@pytest.mark.parametrize(
    "piece", ["$a$ ", r"\a{", "{" * 50, "$", "**a", r"\textbf{", r"\"", r"\href{a}{", "``", r"\frac{a}{b} ", "*a* "]
)
def test_much_hostile_text_takes_little_time(piece):
    for n in range(5):
        plain(clean(piece.replace("a", f"a{n}") * 1_000))

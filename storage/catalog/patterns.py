"""Wildcards and person names as regular expressions, one text for Python and for DuckDB (RE2) alike.

A folded name is its groups between equals signs (`dicomweb.model.names.fold_name`). What names no group delimiter
matches any single group; with delimiters the groups are compared one by one, an empty one with anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dicomweb.model.names import fold_text

_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")


def escaped(text: str) -> str:
    """The text as a regular expression that matches it."""
    return _SPECIAL.sub(r"\\\1", text)


def wildcard_expression(pattern: str, any_letter: str = ".") -> str:
    """`*` as any run of `any_letter`, `?` as one of them, everything else as it is."""
    parts = re.split(r"([*?])", pattern)
    return "".join(
        f"{any_letter}*" if part == "*" else any_letter if part == "?" else escaped(part) for part in parts
    )


def has_wildcard(text: str) -> bool:
    """Whether `*` or `?` stands in it."""
    return "*" in text or "?" in text


@dataclass(frozen=True, slots=True)
class NamePattern:
    """How a folded name is compared: plain text that must stand in it, or an expression found in it."""

    text: str | None
    expression: str | None

    def found_in(self, folded: str) -> bool:
        """Whether a folded name matches."""
        if self.text is not None:
            return self.text in folded
        assert self.expression is not None
        return re.search(self.expression, folded) is not None


def name_pattern(value: str, *, wildcards: bool) -> NamePattern:
    """The pattern of a name as a client wrote it, with or without wildcards."""
    groups = [_folded(group, wildcards) for group in value.split("=")]
    while len(groups) > 1 and groups[-1] in ("", "*"):
        groups.pop()
    if len(groups) > 1:
        told = "=".join(_expression(group or "*", wildcards or not group) for group in groups)
        return NamePattern(None, rf"(?:^|\\)={told}=")
    return _single(groups[0], wildcards)


def _single(group: str, wildcards: bool) -> NamePattern:
    if not wildcards or not has_wildcard(group):
        return NamePattern(f"={group}=", None)
    inner = group.strip("*")
    if has_wildcard(inner):
        return NamePattern(None, f"={_expression(group, True)}=")
    before = "" if group.startswith("*") else "="
    after = "" if group.endswith("*") else "="
    return NamePattern(before + inner + after, None)


def _expression(group: str, wildcards: bool) -> str:
    return wildcard_expression(group, r"[^=\\]") if wildcards else escaped(group)


def _folded(group: str, wildcards: bool) -> str:
    """Fold what stands between wildcards; delimiters at the end say nothing, as in stored names."""
    if not wildcards:
        return fold_text("^".join(part.strip() for part in group.split("^")).rstrip("^"))
    folded = "".join(part if part in ("*", "?") else fold_text(part) for part in re.split(r"([*?])", group))
    return folded.strip().rstrip("^") if folded.strip().rstrip("^") else folded


def word_pattern(word: str) -> NamePattern:
    """The pattern of the beginning of a word among words joined by `names.joined_words`."""
    if not has_wildcard(word):
        return NamePattern(f" {word}", None)
    return NamePattern(None, " " + wildcard_expression(word, "[^ ]"))

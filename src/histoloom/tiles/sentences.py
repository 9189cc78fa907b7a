"""Putting one sentence into another."""


def lower_first(sentence: object) -> str:
    """Return a sentence as the part after a colon: its first letter small, unless the word is a name."""
    text = str(sentence)
    return text[:1].lower() + text[1:]


def one_line(error: Exception) -> str:
    """Return what an exception of a library says as a part of a sentence, cut to 120 characters."""
    return " ".join(str(error).split())[:120] or type(error).__name__

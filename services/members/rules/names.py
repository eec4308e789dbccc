"""When two names are the same name: after folding case, width, accents' encoding, signs and spaces."""

import re
import unicodedata


def name_key(name: str) -> str:
    """Return the form by which the same name is noticed twice; the name itself is never changed."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(re.findall(r"\w+", folded))[:300]

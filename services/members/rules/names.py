"""When two names are the same name: after folding case, width, accents' encoding, signs, spaces and what is not seen."""

import re
import unicodedata


def name_key(name: str) -> str:
    """Return the form by which the same name is noticed twice; the name itself is never changed."""
    seen = "".join(one for one in name if unicodedata.category(one) != "Cf")
    folded = unicodedata.normalize("NFKC", seen).casefold()
    return " ".join(re.findall(r"\w+", folded))[:300]

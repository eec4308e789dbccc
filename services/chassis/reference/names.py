"""Names of countries and territories: the one that is shown in each of the six languages, and those that are understood.

English names are those of our own table. The other five come from the Unicode CLDR as Babel carries it, except
where the United Nations use another name; those stand in ``data/country_names.csv`` with their source. Understood are
codes, our English names, those of the CLDR, and the ones in use that stand in ``data/country_aliases.csv``.
"""

import unicodedata
from collections.abc import Iterable

from babel import Locale

from services.chassis.reference.rows import Country, CountryAlias, CountryName

_WORDS = {"&": "and", "st": "saint", "rep": "republic", "dem": "democratic"}


def names_of(
    countries: Iterable[Country], overrides: Iterable[CountryName], *, language: str
) -> dict[str, str]:
    """Return alpha-3 code → name in one language.

    Raises babel.UnknownLocaleError: CLDR does not know the language.
    """
    by_code = {row.code: row.name for row in overrides if row.language == language}
    if language == "en":
        return {row.code: row.name for row in countries}
    territories = Locale.parse(language).territories
    return {
        row.code: by_code.get(row.code) or str(territories.get(row.alpha2, row.name)) for row in countries
    }


def spellings_of(countries: Iterable[Country], aliases: Iterable[CountryAlias]) -> dict[str, str]:
    """Return each code and English name by which a country is known, as ``spelt`` writes it → alpha-3 code."""
    rows = tuple(countries)
    territories = Locale.parse("en").territories
    known = {spelt(str(territories[row.alpha2])): row.code for row in rows if row.alpha2 in territories}
    known |= {spelt(row.alias): row.code for row in aliases}
    return known | {spelt(one): row.code for row in rows for one in (row.name, row.alpha2, row.code)}


def spelt(name: str) -> str:
    """Return the form under which a name is looked up: two spellings of one name have the same.

    Case, accents, points, a leading "the", "&" and the short forms of Saint, Republic and Democratic make no difference;
    "Korea, Republic of" and "Korea (Republic of)" are read as "Republic of Korea".
    """
    letters = unicodedata.normalize("NFKD", name.replace("\u2019", "'").replace("&", " & "))
    plain = (
        "".join(letter for letter in letters if not unicodedata.combining(letter))
        .casefold()
        .replace(".", " ")
    )
    first, _, rest = plain.replace("(", ",").replace(")", " ").partition(",")
    words = f"{rest} {first}".split()
    if len(words) > 1:  # a word alone may be a code: ST is Sao Tome and Principe
        words = [_WORDS.get(word, word) for word in words]
    return " ".join(words[1:] if words[:1] == ["the"] else words)

"""Names of countries and territories in the six languages.

English names are those of our own table. The other five come from the Unicode CLDR as Babel carries it, except
where the United Nations use another name; those stand in ``data/country_names.csv`` with their source.
"""

from collections.abc import Iterable

from babel import Locale

from services.chassis.reference.rows import Country, CountryName


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

"""The names of what index terms stand for by code: countries, policy tags, languages; for sentences in six languages.

*What.* Term of the index in, name out, from the reference data and CLDR. *Why apart from the engine.* The engine knows
codes only, and no score may hang on a name. *Never:* be part of an epoch or of a canonical row: a name may be corrected.
"""

from collections.abc import Mapping

from babel import Locale

from matching.sentences import LANGUAGES
from services.chassis.reference import Reference


def glossary_of(reference: Reference) -> Mapping[str, Mapping[str, str]]:
    """Return the names by language and term: `country:KEN` is Kenya, `sdg:4` is sdg:4 (Quality education).

    Tags keep their code; a title is that of the newest version, in English; one that is not known is left out, never
    guessed. The names of regions stand in the catalogue of sentences.
    """
    titles = _titles(reference)
    return {language: titles | _named(reference, language) for language in LANGUAGES}


def _named(reference: Reference, language: str) -> dict[str, str]:
    names = {f"country:{code}": reference.country_name(code) for code in reference.countries}
    names |= {f"lang:{tag}": name for tag, name in Locale("en").languages.items() if tag.isalpha()}
    if language == "en":
        return names
    locale = Locale(language)
    told = {f"lang:{tag}": name for tag, name in locale.languages.items()}
    for code, country in reference.countries.items():
        told[f"country:{code}"] = locale.territories.get(country.alpha2, names[f"country:{code}"])
    return names | {term: name for term, name in told.items() if term in names}


def _titles(reference: Reference) -> dict[str, str]:
    names = {}
    for scheme, version in sorted(reference.codes, key=lambda key: (key[0], key[1] or "")):
        for code, row in reference.codes[scheme, version].items():
            if row.title:
                names[f"{scheme}:{code}"] = f"{scheme}:{code} ({row.title})"
    return names

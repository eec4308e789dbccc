"""The names of what index terms stand for by code: countries, regions, policy tags, languages; for sentences in English.

*What.* Term of the index in, name out, from the reference data and CLDR. *Why apart from the engine.* The engine knows
codes only, and no score may hang on a name. *Never:* be part of an epoch or of a canonical row: a name may be corrected.
"""

from collections.abc import Mapping

from babel import Locale

from services.chassis.reference import Reference


def glossary_of(reference: Reference) -> Mapping[str, str]:
    """Return the names by term: `country:KEN` is Kenya, `sdg:4` is sdg:4 (Quality education). Tags keep their code.

    A tag's title is that of its newest version; a title that is not known is left out, never guessed.
    """
    names = {f"region:{region.code}": region.name for region in reference.regions}
    names |= {f"country:{code}": reference.country_name(code) for code in reference.countries}
    names |= {f"lang:{tag}": name for tag, name in Locale("en").languages.items() if tag.isalpha()}
    for scheme, version in sorted(reference.codes, key=lambda key: (key[0], key[1] or "")):
        for code, row in reference.codes[scheme, version].items():
            if row.title:
                names[f"{scheme}:{code}"] = f"{scheme}:{code} ({row.title})"
    return names

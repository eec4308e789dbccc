import re

import pytest

from services.chassis.reference.languages import LanguageChecks, load_language_checks, script_of

ENGLISH = (
    "We lay optical fibre to rural schools and keep it working for many years with the people who live there."
)
FRENCH = (
    "Nous posons la fibre optique dans les écoles rurales et nous assurons son entretien pendant des années."
)
SPANISH = "Instalamos fibra óptica en las escuelas rurales y nos ocupamos de su mantenimiento durante los años siguientes."

SPANISH_AT_LENGTH = (
    "Somos una cooperativa que instala redes de fibra en los pueblos del altiplano y que forma a los jóvenes del lugar. "
    "Los equipos se mantienen con las personas que viven allí, y el precio lo fijan ellas mismas con nosotros."
)
HONEST = {
    "de": "Wir bauen Funknetze für ländliche Schulen. Unsere Technikerinnen bilden die Menschen vor Ort aus, damit sie die "
    "Anlagen selbst warten. Mit den Gemeinden planen wir Masten in den Tälern, in denen es noch kein Netz gibt.",
    "it": "Costruiamo reti radio per le scuole rurali. I nostri tecnici formano le persone del posto, che così curano da sé gli "
    "impianti. Con i comuni progettiamo i tralicci nelle valli in cui non c'è ancora una rete.",
    "pt": "Instalamos redes de rádio para as escolas rurais. Os nossos técnicos formam as pessoas do lugar, que assim cuidam "
    "dos equipamentos. Com os municípios planeamos as torres nos vales em que ainda não há rede. A cooperativa é dos associados.",
    "sw": "Tunajenga mitandao ya redio kwa ajili ya shule za vijijini. Mafundi wetu wanafundisha watu wa eneo hilo ili "
    "waweze kutunza mitambo wenyewe. Pamoja na halmashauri tunapanga minara katika mabonde ambayo hayana mtandao.",
    "ca": "Instal·lem xarxes de ràdio per a les escoles rurals, i els nostres tècnics formen les persones del lloc.",
    "gl": "Instalamos redes de radio para as escolas rurais e os nosos técnicos forman as persoas do lugar con elas.",
    "nl": "Wij bouwen radionetten voor scholen op het land en onze technici leiden de mensen in de dorpen op.",
    "ro": "Construim rețele radio pentru școlile rurale, iar tehnicienii noștri îi formează pe oamenii din sate.",
}


@pytest.fixture(scope="module")
def checks() -> LanguageChecks:
    return load_language_checks()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "We build rural networks."),
        ("fr", "Nous formons des enseignants."),
        ("es", "Redes comunitarias para escuelas"),
        ("ru", "Мы строим сети связи в сёлах, стандарт LTE и 5G."),
        ("ar", "نبني شبكات النطاق العريض في المناطق الريفية"),
        ("zh", "我们建设农村宽带网络"),
        ("zh", "5G Open RAN testbed 项目"),
        ("zh-Hant", "偏鄉寬頻網路"),
        ("ru", "GovStack"),
        ("uk", "Ми будуємо мережі"),
        ("sr-Latn", "Gradimo mreže u selima"),
        ("ja", "ネットワークを作る"),
        ("xx", "Text in a language that nobody lists"),
    ],
)
def test_a_text_in_its_own_language_passes(checks, language, text):
    assert checks.check(text, language=language) is None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ar", "We build rural networks in villages."),
        ("zh", "We build rural networks in villages."),
        ("ru", "We build rural networks in villages."),
        ("en", "Мы строим сети связи в сёлах"),
        ("fr", "我们建设农村宽带网络"),
        ("es", "نبني شبكات النطاق العريض"),
        ("ru", "نبني شبكات النطاق العريض"),
        ("sr-Latn", "Градимо мреже у селима"),
        ("en", "Мы строим сети ITU и LTE в сёлах и городах"),
    ],
)
def test_a_text_in_another_script_than_its_language_is_refused(checks, language, text):
    refusal = checks.check(text, language=language)
    assert refusal is not None
    assert refusal.rule == "text-language"
    assert language in refusal.detail


@pytest.mark.parametrize("text", ["", "   \n\t", "12 345 — …", "\u3000"])
def test_a_text_without_a_letter_is_refused(checks, text):
    assert checks.check(text, language="en").rule == "text-without-words"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "and the of the"), ("en", "The, THE; the!"), ("fr", "de la et les"), ("es", "de la y los"),
        ("ru", "и в на с"), ("ar", "في من على"), ("zh", "的和在"), ("en-GB", "of the"),
    ],
)  # fmt: skip
def test_a_text_of_function_words_only_is_refused(checks, language, text):
    assert checks.check(text, language=language).rule == "text-stop-words-only"


@pytest.mark.parametrize(
    ("declared", "found", "text"),
    [
        ("en", "fr", FRENCH), ("es", "fr", FRENCH), ("en-GB", "fr", FRENCH),
        ("fr", "es", SPANISH), ("en", "es", SPANISH),
        ("fr", "en", ENGLISH), ("es", "en", ENGLISH),
        ("en", "fr", f"Rural fibre. {FRENCH}"),
        ("en", "fr", "Nous construisons des réseaux pour les écoles rurales."),
        ("fr", "en", "We build the networks of rural schools."),
        ("es", "en", "This is what we do for them!"),
        ("de", "en", ENGLISH), ("it", "en", ENGLISH), ("pt", "en", ENGLISH), ("sw", "en", ENGLISH),
        ("de", "fr", FRENCH), ("pt", "fr", FRENCH), ("sw", "es", SPANISH), ("pt", "es", SPANISH_AT_LENGTH),
    ],
)  # fmt: skip
def test_a_text_in_another_language_of_the_same_script_is_refused(checks, declared, found, text):
    refusal = checks.check(text, language=declared)
    assert refusal is not None
    assert refusal.rule == "text-language"
    assert f"declared as {declared!r}" in refusal.detail
    assert f"those of {found!r}" in refusal.detail


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", FRENCH), ("es", SPANISH), ("en", ENGLISH),
        ("en", "Agence pour la sécurité de la navigation et des ponts"),
        ("en", "We advise the Agence pour la sécurité de la navigation et des ponts et chaussées on its radio links."),
        ("en", f"{ENGLISH} {FRENCH}"), ("fr", f"{ENGLISH} {FRENCH}"),
        ("pt", "Nós instalamos a fibra óptica nas escolas rurais e cuidamos da sua manutenção durante os anos seguintes."),
        ("fr", "Valor, Cruz del Sur, La Paz, El Alto, Santa Cruz de la Sierra, Cochabamba, Sucre, Oruro, Potosí, Tarija"),
    ],
)  # fmt: skip
def test_a_text_that_may_be_in_its_language_passes(checks, language, text):
    assert checks.check(text, language=language) is None


@pytest.mark.parametrize("language", HONEST)
def test_honest_texts_beside_the_six_pass_whole_and_sentence_by_sentence(checks, language):
    text = HONEST[language]
    for said in (text, *re.split(r"(?<=\.) ", text)):
        assert checks.check(said, language=language) is None


@pytest.mark.parametrize(
    "text",
    [
        "Agence pour la sécurité de la navigation et des ponts",
        "Université des sciences et de la technologie",
        "Nous, les écoles",
    ],
)
def test_a_name_and_a_fragment_decide_nothing(checks, text):
    assert checks.check(text, language="en") is None


def test_scripts_of_languages():
    assert script_of("zh") == "Hans"
    assert script_of("zh-TW") == "Hant"
    assert script_of("sr") == "Cyrl"
    assert script_of("sr-Latn-RS") == "Latn"
    assert script_of("pt-BR") == "Latn"
    assert script_of("qqq") == ""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matching.engine import Engine
from matching.epoch import Epoch
from matching.records import Evidence, Member, Need, Project, Text
from services.matches.commands import first_epoch
from tests.matching.builders import DAY, offer, project, said

WORDS = (
    "broadband",
    "schools",
    "teachers",
    "satellite",
    "villages",
    "network",
    "networks",
    "security",
    "incident",
    "response",
    "women",
    "training",
    "digital",
    "skills",
    "rural",
    "bank",
    "farms",
    "courses",
    "links",
    "laboratory",
    "IoT",
    "5G",
    "LTE",
    "internet",
    "things",
    "high-speed",
    "ministry",
    "phones",
    "lake",
)
FRENCH = (
    "haut",
    "débit",
    "écoles",
    "enseignants",
    "rurales",
    "formation",
    "numériques",
    "objets",
    "internet",
)
KINDS = ("training", "connectivity", "funding", "research")
COUNTRIES = ("TCD", "KEN", "FRA", "LAO", "BRA")

relaxed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

thorough = settings(relaxed, max_examples=300)

english = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join), max_size=4).map(
    ". ".join
)
french = st.lists(st.sampled_from(FRENCH), max_size=12).map(" ".join)


@st.composite
def texts(draw) -> tuple[Text, ...]:
    found = [Text(language="en", text=draw(english))]
    if draw(st.booleans()):
        found.append(Text(language="fr", text=draw(french)))
    return tuple(text for text in found if text.text)


@st.composite
def members(draw) -> Member:
    items = draw(st.lists(texts().filter(bool), max_size=6))
    return Member(
        id=f"m{draw(st.integers(0, 10**6))}",
        descriptions=draw(texts()),
        offers=tuple(offer(kind) for kind in draw(st.sets(st.sampled_from(KINDS), max_size=2))),
        hq_country=draw(st.sampled_from(("", *COUNTRIES))),
        operating_countries=tuple(draw(st.sets(st.sampled_from(COUNTRIES), max_size=2))),
        languages=("en",) if draw(st.booleans()) else (),
        parent=draw(st.sampled_from((None, "group"))),
        evidence=tuple(
            Evidence(id=f"e{number}", role=draw(st.sampled_from(("lead", "partner"))), texts=found)
            for number, found in enumerate(items)
        ),
    )


@st.composite
def projects(draw) -> Project:
    one = project("p", draw(english.filter(bool)))
    objectives = (*one.objectives, *(said(draw(french.filter(bool)), "fr") if draw(st.booleans()) else ()))
    needs = tuple(draw(st.sets(st.sampled_from(KINDS), max_size=3)))
    return replace(
        one,
        objectives=objectives,
        needs=tuple(Need(id=kind, kind=kind, importance=draw(st.integers(1, 5))) for kind in needs),
        countries=tuple(draw(st.sets(st.sampled_from(COUNTRIES), max_size=2))),
        languages=tuple(draw(st.sets(st.sampled_from(("en", "fr")), max_size=2))),
    )


@pytest.fixture(scope="module")
def fresh(epoch, analyser):
    return lambda: Engine(epoch, analyser=analyser)


def without_rules(epoch: Epoch, **weights: int) -> Epoch:
    """The epoch without the rules on passages and additions, which are the one exception and are shown.

    They leave out a word of the project that is added alone, so under them a property of its points would hold of nothing.
    """
    quoted = dict.fromkeys(epoch.weights.quoted, 0)
    return replace(epoch, weights=replace(epoch.weights, quoted=quoted, **weights))


@pytest.fixture(scope="module")
def both(epoch, analyser):
    """Engines with these rules and without."""
    return lambda: [Engine(one, analyser=analyser) for one in (epoch, without_rules(epoch))]


def unique(found: list[Member]) -> list[Member]:
    return list({one.id: one for one in found}.values())


@relaxed
@given(st.lists(members(), min_size=1, max_size=5).map(unique), projects())
def test_every_point_accounted_for(fresh, found, asked):
    engine = fresh()
    for one in found:
        engine.put_member(one)
    engine.put_project(asked)
    view = engine.pin()
    ranked = view.rank("p", DAY)
    standings = view.points_of([one.id for one in found], DAY)
    assert len(ranked) == len(found)
    for row, one in enumerate(found):
        explained = view.explain("p", one.id, DAY)
        place = ranked.position_of(one.id)
        assert place
        assert sum(part.points for part in explained.parts) == ranked.points[place - 1]
        assert standings.points[row, 0] == ranked.points[place - 1]
        assert 0 <= explained.points <= explained.total_budget
        for name, value in explained.components.items():
            assert 0 <= value <= ranked.budgets[name]
        assert sum(explained.shown.values()) == explained.fit


@relaxed
@given(st.lists(members(), min_size=2, max_size=6).map(unique), projects(), st.integers(0, 10**6))
def test_independence_and_order_of_puts(fresh, found, asked, seed):
    engine, alone, shuffled = fresh(), fresh(), fresh()
    for one in found:
        engine.put_member(one)
    engine.put_project(asked)
    alone.put_project(asked)
    alone.put_member(found[0])
    events = [one for one in found for _ in range(2)]
    random.Random(seed).shuffle(events)
    shuffled.put_member(replace(found[0], revision=0, descriptions=said("Something that is gone later")))
    for one in events:
        shuffled.put_member(one)
    shuffled.put_project(asked)
    whole, single = engine.pin().rank("p", DAY), alone.pin().rank("p", DAY)
    place = whole.position_of(found[0].id)
    assert place
    assert whole.points[place - 1] == single.points[0]
    assert whole.components[place - 1].tolist() == single.components[0].tolist()
    assert whole.labels[place - 1] == single.labels[0]
    assert shuffled.pin().rank("p", DAY).packed() == whole.packed()


@relaxed
@given(members(), projects(), texts().filter(bool))
def test_adding_evidence_never_lowers_and_withdrawing_never_raises(fresh, one, asked, more):
    engine = fresh()
    engine.put_member(one)
    engine.put_project(asked)
    view = engine.pin()
    before = view.explain("p", one.id, DAY).points
    richer = replace(one, evidence=(*one.evidence, Evidence(id="e0-again", role="lead", texts=more)))
    assert view.explain("p", one.id, DAY, edited=richer).points >= before
    if one.evidence:
        assert view.explain("p", one.id, DAY, edited=replace(one, evidence=one.evidence[1:])).points <= before


@relaxed
@given(st.lists(st.sampled_from(WORDS), max_size=2), st.sampled_from(WORDS), projects())
def test_an_honest_word_up_to_the_mean_never_lowers(both, words, word, asked):
    """The mean profile of the epoch has more than four words, so all these stay below it."""
    short = Member(id="short", descriptions=said(". ".join(words)))
    longer = Member(id="short", descriptions=said(". ".join([*words, word])))
    for engine in both():
        engine.put_project(asked)
        assert engine.epoch.profile.of("en").mean > 4 * 256
        engine.put_member(short)
        view = engine.pin()
        assert view.explain("p", "short", DAY, edited=longer).points >= view.explain("p", "short", DAY).points


@relaxed
@given(members(), projects())
def test_a_translation_costs_nothing(both, one, asked):
    plain = replace(one, descriptions=tuple(text for text in one.descriptions if text.language == "en"))
    translated = replace(
        plain, descriptions=(*plain.descriptions, *said("haut débit pour les écoles rurales", "fr"))
    )
    for engine in both():
        engine.put_project(asked)
        engine.put_member(plain)
        view = engine.pin()
        before = view.explain("p", one.id, DAY).points
        assert view.explain("p", one.id, DAY, edited=translated).points >= before


@relaxed
@given(st.sampled_from(WORDS[:8]), st.integers(2, 30))
def test_repeating_a_word_does_not_pay_beyond_the_cap(both, word, times):
    for engine in both():
        assert gained(engine, word, times) <= 0


def test_without_the_cap_repeating_a_word_would_pay(epoch, analyser):
    """So it is the cap that the property above holds of."""
    engine = Engine(without_rules(epoch, field_cap=1000), analyser=analyser)
    assert all(gained(engine, word, 2, cap=epoch.weights.field_cap) > 0 for word in WORDS[:8])


def gained(engine: Engine, word: str, times: int, cap: int | None = None) -> int:
    """Return the points that so many more of a word give who says it as often as the cap counts already."""
    count = cap or engine.epoch.weights.field_cap
    engine.remove_project("p")
    engine.put_project(project("p", f"{word} for villages"))
    honest = Member(id="m", descriptions=said(". ".join([word] * count)))
    stuffed = Member(id="m", descriptions=said(". ".join([word] * (count + times))))
    engine.remove_member("m")
    engine.put_member(honest)
    view = engine.pin()
    return view.explain("p", "m", DAY, edited=stuffed).points - view.explain("p", "m", DAY).points


@relaxed
@given(members(), projects())
def test_no_bought_or_inherited_rank(fresh, one, asked):
    """What is no input changes nothing: category, membership, dates, ids of others, what it seeks, off-topic projects."""
    engine = fresh()
    engine.put_member(one)
    engine.put_project(asked)
    view = engine.pin()
    bought = replace(
        one,
        category="sector_member",
        first_involved_on="1990-01-01",
        seeks=(offer("funding", "broadband schools teachers satellite"),),
        sme=True,
        evidence=(*one.evidence, Evidence(id="zz", texts=said("Marble quarries and opera singing"))),
    )
    before, after = view.explain("p", one.id, DAY), view.explain("p", one.id, DAY, edited=bought)
    assert (before.points, before.parts) == (after.points, after.parts)


SIX = {
    "en": ("broadband", "schools", "satellite", "villages", "teachers", "internet", "IoT"),
    "fr": ("débit", "écoles", "satellite", "villages", "enseignants", "internet", "objets"),
    "es": ("banda", "escuelas", "satélite", "aldeas", "maestros", "internet"),
    "ru": ("школы", "спутник", "деревни", "учителя", "интернет", "сеть"),
    "ar": ("المدارس", "الساتل", "القرى", "المعلمين", "الإنترنت", "شبكة"),
    "zh": ("学校", "卫星", "农村", "教师", "互联网", "宽带"),
}


@pytest.fixture(scope="module")
def worded(analyser):
    """An engine under the shipped lexicon, with a corpus whose mean profile is longer than the texts below."""
    from matching.fitting import fit_epoch
    from matching.lexicon import shipped_lexicon
    from tests.matching.builders import REFERENCE

    corpus = [
        Member(id=f"{language}{number}", descriptions=said(". ".join(words * 8), language))
        for language, words in SIX.items()
        for number in range(5)
    ]
    epoch = fit_epoch(corpus, analyser=analyser, reference=REFERENCE, lexicon=shipped_lexicon())
    assert all(epoch.profile.of(language).mean >= 40 * 256 for language in SIX)
    return lambda: Engine(epoch, analyser=analyser)


@st.composite
def sayings(draw, most: int = 6) -> tuple[Text, ...]:
    """A short text in each of some languages; words stand in one run, so that domain terms may form across them."""
    found = []
    for language in draw(st.lists(st.sampled_from(sorted(SIX)), min_size=1, max_size=3, unique=True)):
        words = draw(st.lists(st.sampled_from(SIX[language]), min_size=1, max_size=most))
        found.append(Text(language=language, text=" ".join(words)))
    return tuple(found)


@relaxed
@given(sayings(), st.data(), sayings(12))
def test_a_word_at_the_end_of_a_field_in_any_language_never_lowers(worded, unruled, own, data, asked):
    place = data.draw(st.integers(0, len(own) - 1))
    word = data.draw(st.sampled_from(SIX[own[place].language]))
    longer = replace(own[place], text=f"{own[place].text} {word}")
    for engine in (worded(), unruled):
        never_lowers(engine, asked, own, (*own[:place], longer, *own[place + 1 :]))


JOINED = (
    *(
        "教师",
        "队伍",
        "农村",
        "学校",
        "建设",
        "网络",
        "安全",
        "互联",
        "互联网",
        "物",
        "联网",
        "认可",
        "可以",
        "以",
        "信",
    ),
    *(
        "通过",
        "中",
        "心",
        "数据",
        "大",
        "人工",
        "智能",
        "计算",
        "机",
        "水",
        "水平",
        "平台",
        "的",
        "和",
        "，",
        "IoT ",
        "5G ",
        " ",
    ),
)
"""Words that make others where they touch, function words among them."""

SHOUTED = (
    *(
        "RURAL",
        "SCHOOLS",
        "NETWORK",
        "CAPACITY",
        "BUILDING",
        "FOR",
        "AND",
        "LTE",
        "VSAT",
        "ICTs",
        "IoT",
        "HIGH-SPEED",
    ),
    *("TEACHERS,", "ISOC", "UNESCO", "rural", "schools", "for", "network", "Teachers", "5G", "WHO"),
)


def never_lowers(
    engine: Engine, asked: tuple[Text, ...], before: tuple[Text, ...], after: tuple[Text, ...]
) -> None:
    engine.remove_project("p")
    engine.put_project(replace(project("p", "x"), objectives=asked))
    engine.remove_member("m")
    engine.put_member(Member(id="m", descriptions=before))
    edited = Member(id="m", descriptions=after)
    view = engine.pin()
    assert view.explain("p", "m", DAY, edited=edited).points >= view.explain("p", "m", DAY).points


@pytest.fixture(scope="module")
def unruled(worded, analyser) -> Engine:
    """The same engine without the rules on passages and additions."""
    return Engine(without_rules(worded().epoch), analyser=analyser)


@thorough
@given(
    st.lists(st.sampled_from(JOINED), min_size=1, max_size=8).map("".join),
    st.sampled_from(JOINED),
    st.lists(st.sampled_from(JOINED), min_size=1, max_size=6).map("".join),
)
def test_chinese_words_joined_without_a_space_never_lower(unruled, own, more, asked):
    never_lowers(unruled, *((Text(language="zh", text=text),) for text in (asked, own, own + more)))


@thorough
@given(
    st.sampled_from(["en", "fr", "es"]),
    st.lists(st.sampled_from(SHOUTED), min_size=1, max_size=8).map(" ".join),
    st.sampled_from(SHOUTED),
    st.lists(st.sampled_from(SHOUTED), min_size=1, max_size=6).map(" ".join),
)
def test_a_word_in_capitals_or_after_some_never_lowers(unruled, language, own, more, asked):
    never_lowers(unruled, *((Text(language=language, text=text),) for text in (asked, own, f"{own} {more}")))


@relaxed
@given(sayings(), sayings(), sayings(12))
def test_a_translation_into_any_language_never_lowers(worded, unruled, own, more, asked):
    known = {text.language for text in own}
    translated = (*own, *(text for text in more if text.language not in known))
    for engine in (worded(), unruled):
        never_lowers(engine, asked, own, translated)


NAMES = ("LTE", "VSAT", "GPS", "4G", "Starlink", "UNESCO", "2026", "5G", "TIC", "GSM")


@pytest.fixture(scope="module")
def shipped(analyser):
    """The shipped epoch's engine, and that without the rules: each of the words below is one of the project's."""
    epoch = Epoch.loads(first_epoch(None))
    return [Engine(one, analyser=analyser) for one in (epoch, without_rules(epoch))]


@relaxed
@given(
    st.sampled_from(sorted(SIX)),
    st.lists(st.sampled_from(NAMES), max_size=5),
    st.sampled_from(NAMES),
    st.data(),
)
def test_one_more_name_number_or_acronym_never_lowers_in_any_language(shipped, language, names, more, data):
    words = data.draw(st.lists(st.sampled_from(SIX[language]), max_size=5))
    asked, short, longer = (
        said(text, language)
        for text in (
            ". ".join([*SIX[language], *NAMES]),
            ", ".join([*words, *names]) or more,
            ", ".join([*words, *names, more]),
        )
    )
    for engine in shipped:
        never_lowers(engine, asked, short, longer)

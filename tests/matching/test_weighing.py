"""What is weighed in compiled code is what the plain form says: every term, every integer, every epoch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.analysis import Analyser, FieldStems
from matching.bridges import DomainWords
from matching.documents import DocumentBuilder, bridge_to, own_impacts, strongest, text_impacts
from matching.epoch import EVIDENCE, KINDS, PROFILE, Epoch
from matching.fitting import fit_epoch
from matching.lexicon import Lexicon
from matching.lexicon_tables import LexiconTables
from matching.quoting import Stems
from matching.vocabulary import Vocabulary
from matching.weighed import MemberWeigher
from matching.weighing import Weigher
from services.chassis.reference import load_reference
from services.console.corpus import read_corpus
from services.console.loading import DEMO_FOLDER
from services.matches.commands import first_epoch
from tests.matching.builders import REFERENCE, member, project, proof, tag

CONCEPTS = {
    "concepts": [
        {"id": "iot", "status": "reviewed", "terms": {"en": ["IoT", "internet of things"], "fr": ["objets connectés"]}},
        {"id": "net", "status": "reviewed", "discount": 900, "terms": {"en": ["internet", "network"], "zh": ["网络"]}},
        {"id": "band", "status": "reviewed", "terms": {"en": ["broadband network"], "fr": ["réseau"], "zh": ["宽带网络"]}},
        {"id": "work", "status": "reviewed", "kind": "general", "terms": {"en": ["work", "network"], "fr": ["travail"], "zh": ["工作"]}},
        {"id": "lte", "status": "reviewed", "kind": "general", "discount": 1000, "terms": {"en": ["LTE", "LTE network"], "fr": ["travail"]}},
    ]
}  # fmt: skip
WORDS = {
    "en": ["internet", "of", "things", "IoT", "network", "broadband", "work", "works", "LTE", "5G", "school", "schools", "teacher", "train", "rural"],
    "fr": ["objets", "connectés", "réseau", "réseaux", "travail", "LTE", "IoT", "école", "écoles", "haut", "débit"],
    "zh": ["宽带网络", "网络", "工作", "学校", "LTE", "宽带", "教师"],
    "de": ["Netz", "Schule", "LTE", "IoT"],
}  # fmt: skip


@pytest.fixture(scope="module")
def joined(analyser: Analyser) -> Epoch:
    """An epoch whose concepts overlap, share terms and are of both kinds, with bigrams that take part."""
    said = ("broadband network of rural schools", "LTE network of rural schools", "work of things")
    members = [
        member(f"m{number}", f"{text}. {text}", evidence=(proof("e", text), proof("f", text)))
        for number, text in enumerate(said * 12)
    ]
    projects = [project(f"p{number}", text) for number, text in enumerate(said)]
    return fit_epoch(members, analyser=analyser, reference=REFERENCE, lexicon=CONCEPTS, projects=projects)


def held(epoch: Epoch, kind: str, documents: list[tuple[FieldStems, ...]]) -> None:
    """Weigh the documents one after the other with one weigher, each held against the plain form."""
    vocabulary = Vocabulary()
    weigher = Weigher(epoch, kind, LexiconTables(epoch.lexicon, vocabulary))
    domain = {term.key for concept in epoch.lexicon.concepts.values() for term in concept.terms}
    for fields in documents:
        terms, impacts = weigher.weigh(fields, Stems.of(fields, vocabulary))
        plain = {term: one for term, one in text_impacts(fields, kind=kind, epoch=epoch).items() if one}
        assert len(terms) == len(plain)
        found = zip(terms.tolist(), impacts.tolist(), strict=True)
        assert {vocabulary.term(term): impact for term, impact in found} == plain
        own = own_impacts(fields, kind=kind, epoch=epoch)
        reached, asked = strongest(own, epoch.lexicon), DomainWords(fields, kind=kind, epoch=epoch)
        for term in domain:
            impact, source = bridge_to(term, reached, epoch.lexicon)
            assert asked.bridged_from(term) == (source if impact > own.get(term, 0) else "")


@st.composite
def documents(draw: st.DrawFn) -> list[list[tuple[str, str, str]]]:
    """Draw documents of (field, language, text), each pair of field and language once."""
    places = st.tuples(st.sampled_from(["mission", "expertise", "offers"]), st.sampled_from(sorted(WORDS)))
    found = []
    for _ in range(draw(st.integers(1, 4))):
        fields = []
        for name, language in draw(st.lists(places, unique=True, max_size=5)):
            words = st.lists(st.sampled_from(WORDS[language]), max_size=14)
            text = ". ".join(" ".join(run) for run in draw(st.lists(words, max_size=3)))
            fields.append((name, language, text))
        found.append(fields)
    return found


@settings(max_examples=120, deadline=None)
@given(drawn=documents(), kind=st.sampled_from(KINDS))
def test_the_compiled_form_says_what_the_plain_form_says(analyser, joined, drawn, kind):
    assert joined.bigrams[PROFILE]
    held(
        joined,
        kind,
        [
            tuple(FieldStems(name=name, language=language, runs=analyser.runs(language, text)) for name, language, text in one)
            for one in drawn
        ],
    )  # fmt: skip


@pytest.mark.slow  # every domain term is asked of every text
def test_every_text_of_the_demo_is_weighed_alike(analyser):
    epoch = Epoch.loads(first_epoch(None))
    analysed = [
        analyser.analyse_member(one) for one in read_corpus(Path(DEMO_FOLDER), load_reference()).members
    ]
    assert {field.language for one in analysed for field in one.fields} == {
        "ar",
        "en",
        "es",
        "fr",
        "ru",
        "zh",
    }
    held(epoch, PROFILE, [one.fields for one in analysed])
    held(epoch, EVIDENCE, [fields for one in analysed for _, fields in one.evidence])


def test_a_word_said_a_thousand_times(analyser, joined):
    runs = analyser.runs(
        "en", "Broadband network, " * 1_000 + " ".join(f"word{number}" for number in range(20_000))
    )
    fields = (
        FieldStems(name="mission", language="en", runs=runs),
        FieldStems(name="offers", language="en", runs=runs),
    )
    held(joined, PROFILE, [fields, fields[1:], ()])


def test_numbers_that_64_bits_cannot_hold_are_reckoned_in_python(analyser, joined):
    statistics = replace(joined.profile.unseen, mean=2_000_000_000)
    languages = {name: replace(one, mean=2_000_000_000) for name, one in joined.profile.languages.items()}
    huge = replace(joined, profile=replace(joined.profile, languages=languages, unseen=statistics),
                   weights=replace(joined.weights, k1=100_000, field_cap=1_000))  # fmt: skip
    runs = analyser.runs("en", "A broadband network for schools. " * 900)
    held(huge, PROFILE, [(FieldStems(name="mission", language="en", runs=runs),)])


def test_terms_of_an_epoch_that_no_text_can_say_change_nothing(analyser, joined):
    frequencies = {**joined.profile.frequencies, "b:en:network": 3, "b:en: network": 3, "b:en:a b c": 3}
    lexicon = joined.lexicon.to_json()
    lexicon["net"].append(["en", "NOTHING", "nothing"])
    odd = replace(
        joined, profile=replace(joined.profile, frequencies=frequencies), lexicon=Lexicon.from_json(lexicon)
    )
    runs = analyser.runs("en", "The network of things, an LTE network")
    held(odd, PROFILE, [(FieldStems(name="mission", language="en", runs=runs),)])


def test_an_organisation_is_weighed_as_its_document_says(analyser, joined):
    vocabulary = Vocabulary()
    weigher, builder = MemberWeigher(joined, vocabulary), DocumentBuilder(joined)
    record = member(
        "many",
        "A broadband network of things in rural schools",
        hq_country="TCD",
        tags=(tag("sdg", "4"),),
        languages=("en", "fr"),
        evidence=(
            proof("a", "LTE network of rural schools", role="lead", tags=(tag("sdg", "9"),)),
            proof("b", "LTE network of rural schools"),
            proof("c", "LTE", language="fr"),
            proof("d", "…"),
        ),
    )
    analysed = analyser.analyse_member(record)
    for _ in range(2):  # the second time from what is kept
        weighed, document = weigher.weigh(record, analysed), builder.build(record, analysed)
        assert weighed.has_data == document.has_data
        assert named(vocabulary, weighed.profile) == document.profile
        for item, plain in zip(weighed.items, document.evidence, strict=True):
            assert named(vocabulary, item.asked) == {term: one for term, one in plain.impacts.items() if one}
            assert len(item.words) == len(plain.words)
        assert (
            [name for name, _ in weighed.stems.items]
            == [plain.id for plain in document.evidence]
            == ["a", "b", "c"]
        )


def named(vocabulary, asked):
    assert asked[1].dtype == np.uint8
    return {
        vocabulary.term(term): one for term, one in zip(asked[0].tolist(), asked[1].tolist(), strict=True)
    }

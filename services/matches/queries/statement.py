"""The ranking statement: everything that decides a place, in words and in numbers, for everybody.

*What.* The published table of the epoch in force, the order of the steps, what is an input and what is not. *Why.* A
candidate must be able to hold the list against it (EU Regulation 2019/1150, article 5, is the model). *Never:* a number
that is written here: every one of them comes from the epoch, so that the statement cannot differ from the ranking.
"""

from typing import Any

from matching.epoch import Epoch
from matching.explanation import per_mille
from matching.lists import COMPONENTS, LABELS, STEPS
from matching.passage_bound import largest_impact, widest_bounds
from matching.rules import RULES
from matching.sentences import phrases_in
from schemas.http.suggestion import SUGGESTION
from services.matches.queries.epochs import bands_of

_MEANING = {
    "text": "Words, names, codes and domain terms that the project's texts share with the profile: description, expertise, "
    "offers. What an organisation seeks is not matched against what a project needs. A passage of the project's own text is not "
    "counted, and the explanation names it: weights.quoted says from how many words on, in the project's order and in any. "
    "Foreign words between hide no passage that is in order; in any order each takes weights.quoted.foreign off the count. "
    "With weights.quoted.earlier, a text that was on record here on a day before the project was published is no such passage. "
    "Of the words that were added to a profile since then at least weights.quoted.added per mille must be others than the project's, or "
    "those that are the project's are not counted; what stood before counts as it did.",
    "evidence": "Past projects, pledges, publications and laboratories on the subject; the best three count, and of those "
    "no two that are near-duplicates. Policy tags in common with the project (programme, action line, topic) are part of an item. "
    "A passage of the project's own text is not counted here either.",
    "needs": "Kinds of needs that the organisation offers, weighted by their declared importance; at most weights.backed.needs per "
    "mille of what its text and evidence give, and the explanation names what is taken off.",
    "places": "Presence in the project's countries and regions: headquarters, operations, willingness.",
    "tags": "Policy tags in common; at most weights.backed.tags per mille of what text and evidence give.",
    "languages": "Working languages in common.",
}
_WHY = {
    "text": "What an organisation says that it does is the best sign of whether it can help.",
    "evidence": "Having done such a thing is the next best sign; three items at most, so that volume buys no rank, and "
    "each only as far as it is on the subject, so that a loose record does not stand above a good description.",
    "needs": "An offer that meets a need is what a project looks for; it is a declaration and no proof.",
    "places": "Presence helps to carry a project out, and the right country alone says nothing of the subject.",
    "tags": "Policy tags say in codes what the texts say in words; they may confirm a match and not make one.",
    "languages": "A common language helps, and can be found.",
}
_INPUTS = (
    "the project's own texts, needs, places, tags, languages and emphasis",
    "the organisation's description, expertise, offers, evidence, places, tags and languages",
    "the frozen epoch: word statistics, lexicon, weights, reference data",
    "the reference date, for dated facts: country groups, terms of membership",
    "for hard rules, labels and placement: headquarters and operations, for required presence willingness too, parent organisation, state of the profile",
    "for labels alone: terms of membership, SME declaration; the date of first involvement decides the newcomer label",
    "the day since which a text, or a word of it, is on record: whether the project's own words are a copy or an addition, and a label; no more",
)
_NO_INPUTS = (
    "membership fees, contribution class, category of membership",
    "sponsorship, advertising, the value of pledges",
    "clicks, views, time on the platform, date of registration",
    "interest, outcomes or agreements recorded here, and any past project beyond the best three on the subject",
    "who else is a candidate",
    "how often an organisation is shown on other lists; that chooses the lane beside a list, and moves nothing in it",
    "the name, or its place in the alphabet",
)


def statement(epoch: Epoch, *, number: int, published_at: str, day: str) -> dict[str, Any]:
    """Return the statement for the epoch in force."""
    weights = epoch.weights
    total = sum(weights.budgets.values())
    shares = per_mille([weights.budgets[name] for name in COMPONENTS], total)
    english = phrases_in("en")
    return {
        "statement": SUGGESTION,
        "version": str(weights.version),
        "epoch": {"number": number, "hash": epoch.hash, "published_at": published_at},
        "reference_date": day,
        "analyser": {"number": epoch.analyser, "golden": epoch.golden},
        "components": [
            {
                "name": name,
                "meaning": _MEANING[name],
                "why": _WHY[name],
                "budget": weights.budgets[name],
                "per_mille_of_all": share,
            }
            for name, share in zip(COMPONENTS, shares, strict=True)
        ],
        "total_budget": total,
        "budget_rule": "A project without needs, tags, places or languages drops that budget from its total. Points are "
        "integers; a part is weight times impact, and the parts shown add up to the points exactly.",
        "lexicon": {
            "concepts": len(epoch.lexicon.concepts),
            "rule": "A concept joins its terms across languages, and a part that came over one is marked bridge. Each that takes part is marked "
            "reviewed: a person wrote the line or accepted it. That does not say that a native reader of each language has signed it.",
        },
        "passage_bound": {
            "published": widest_bounds(weights)[0],
            "emphasised": widest_bounds(weights)[1],
            "largest_impact": largest_impact(weights),
            "rule": "The points of one passage in text and evidence differ between a description and one evidence item by at most this, per "
            "mille of a project's total: the text budget times the largest impact (of 255) that a term has in one field. "
            "published is the most under the published budgets, emphasised under any emphasis; a project that states "
            "needs, places, tags or languages has less, by the budgets that stand in its list.",
        },
        "emphasis": {
            "least": weights.emphasis["least"],
            "most": weights.emphasis["most"],
            "rule": "A project may ask for more or less of a component's budget, per mille of the published one (emphasis), within "
            "these bounds. Its total stays and is divided by budget times emphasis, the same for every candidate; evidence has half "
            "of it at most. The budgets that count stand in the list.",
        },
        "floor": {
            "text": weights.floors["text"],
            "evidence": weights.floors["evidence"],
            "rule": "Above the floor is who has at least this many per mille of the text budget, or of the evidence "
            "budget. Needs, places, tags and languages never reach it by themselves.",
        },
        "bands": bands_of(epoch),
        "bands_rule": "The least fit of each band, in per mille: where it lies among the pairs of the epoch's reference corpus. "
        "Confidence says how complete a profile is; it is shown beside the score and never enters it.",
        "hard_rules": [{"code": rule.code, "sentence": english.rule(rule.code, "…")} for rule in RULES],
        "order": [
            "hard rules leave candidates out; each is listed with its coded rule",
            "points, the largest first",
            "equal points: the keyed hash of project and organisation (SipHash-2-4 under tie_key), then the id",
            (
                f"parent cap: at most {weights.parent_cap} organisations of one group among the first {weights.head}; a group is "
                "who declares the same parent organisation, and profiles that are alike and declare none are not told to be one"
            ),
            (
                f"local minimum: while fewer than {weights.local_minimum} of the first {weights.head} are local, the best local above "
                "the floor takes the place of the lowest of them that is not"
            ),
            (
                f"newcomer minimum: while fewer than {weights.newcomer_minimum} of the first {weights.head} are newcomers, the best "
                "newcomer above the floor takes the place of the lowest that is not, never of a placed or needed local"
            ),
            "placement steps move places among the first rows only; they are named in the row, and change no score",
        ],
        "tie_groups": "Neighbours with the same fit in whole per mille are a near tie, named in each row as tie_group with its first and "
        "last rank: within it the order says next to nothing.",
        "head": weights.head,
        "parent_cap": weights.parent_cap,
        "local_minimum": weights.local_minimum,
        "newcomer_minimum": weights.newcomer_minimum,
        "lane": {
            "rows": weights.lane,
            "name": english.lane()[0],
            "rule": english.lane()[1],
            "attention": "A row is given attention by its rank (weights.attention), a row of the lane that of the last rank. The "
            "sum over the ranks is deserved by those above the floor in proportion to their points. Least given for what is "
            "deserved comes first; equal shares by the keyed hash; one of a group of organisations in a lane.",
        },
        "tie_key": epoch.tie_key,
        "labels": [{"code": name, "sentence": english.label(name)} for name in LABELS],
        "steps": [{"code": name, "sentence": english.step(name)} for name in STEPS],
        "inputs": list(_INPUTS),
        "not_inputs": list(_NO_INPUTS),
        "weights": weights.to_json(),
        "links": {"epoch": f"/v1/epochs/{number}", "epochs": "/v1/epochs"},
    }

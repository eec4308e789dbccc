"""Records for the engine's tests: short ways to write them, and a small corpus in several languages."""

from __future__ import annotations

from typing import Any

from matching.records import Evidence, Member, Need, Offer, Project, Tag, Text
from matching.reference import Membership, ReferenceData

DAY = "2026-11-24"

REFERENCE = ReferenceData(
    regions={
        "KEN": "AFR",
        "TCD": "AFR",
        "UGA": "AFR",
        "FRA": "EUR",
        "CHE": "EUR",
        "WSM": "ASP",
        "LAO": "ASP",
        "BRA": "AMS",
        "KAZ": "CIS",
        "EGY": "ARB",
    },
    groups=(
        Membership(country="TCD", group="ldc"),
        Membership(country="UGA", group="ldc"),
        Membership(country="LAO", group="ldc", until="2026-11-24"),
        Membership(country="WSM", group="sids"),
        Membership(country="KAZ", group="transition"),
        Membership(country="KEN", group="developing"),
        Membership(country="BRA", group="developing"),
    ),
)

LEXICON: dict[str, Any] = {
    "concepts": [
        {
            "id": "broadband",
            "status": "reviewed",
            "terms": {
                "en": ["broadband", "high-speed internet"],
                "fr": ["haut débit", "large bande"],
                "zh": ["宽带"],
            },
        },
        {"id": "school", "status": "reviewed", "terms": {"en": ["school"], "fr": ["école"], "zh": ["学校"]}},
        {
            "id": "teacher",
            "status": "reviewed",
            "terms": {"en": ["teacher"], "fr": ["enseignant"], "zh": ["教师"]},
        },
        {
            "id": "iot",
            "status": "reviewed",
            "terms": {"en": ["IoT", "internet of things"], "fr": ["internet des objets"]},
        },
        {"id": "wrong", "status": "rejected", "terms": {"en": ["rural"], "fr": ["urbain"]}},
        {"id": "perhaps", "status": "proposed", "terms": {"en": ["village"], "fr": ["ville"]}},
    ]
}


def said(text: str, language: str = "en", title: str = "") -> tuple[Text, ...]:
    return (Text(language=language, text=text, title=title),)


def member(name: str, text: str = "", **more: Any) -> Member:
    language = more.pop("language", "en")
    return Member(id=name, descriptions=said(text, language) if text else (), **more)


def project(name: str, text: str, **more: Any) -> Project:
    language = more.pop("language", "en")
    title = more.pop("title", "")
    return Project(
        id=name,
        titles=said(title, language) if title else (),
        objectives=said(text, language),
        **({"published_on": "2026-10-01"} | more),
    )


def proof(name: str, text: str, **more: Any) -> Evidence:
    return Evidence(id=name, texts=said(text, more.pop("language", "en")), **more)


def offer(kind: str, text: str = "") -> Offer:
    return Offer(kind=kind, texts=said(text) if text else ())


def need(kind: str, importance: int = 3, text: str = "") -> Need:
    return Need(id=f"need-{kind}", kind=kind, importance=importance, texts=said(text) if text else ())


def tag(scheme: str, code: str, version: str | None = None) -> Tag:
    return Tag(scheme=scheme, code=code, version=version)


MEMBERS = (
    member(
        "trainer",
        "We train teachers of rural schools in digital skills and run courses for women who repair phones.",
        category="prospect",
        hq_country="TCD",
        offers=(offer("training", "Courses for teachers"),),
        languages=("en", "fr"),
        evidence=(proof("t1", "Digital skills for two hundred teachers in rural schools", role="lead"),),
    ),
    member(
        "carrier",
        "An operator of mobile networks that brings broadband to villages by satellite and microwave links.",
        category="sector_member",
        hq_country="KEN",
        operating_countries=("UGA",),
        offers=(offer("connectivity", "Satellite backhaul"), offer("equipment")),
        tags=(tag("sdg", "9"), tag("kap", "AFR2", "2023-2025")),
        languages=("en",),
        evidence=(
            proof("c1", "Broadband by satellite for forty villages and their schools"),
            proof("c2", "Broadband by satellite for forty villages and their clinics"),
            proof("c3", "A mobile network for fishing communities on the lake"),
            proof("c4", "Microwave links between district hospitals"),
        ),
    ),
    member(
        "ecoles",
        "Nous apportons le haut débit aux écoles rurales et formons les enseignants aux compétences numériques.",
        language="fr",
        category="other_entity",
        hq_country="FRA",
        willing_countries=("TCD",),
        offers=(offer("training"), offer("connectivity")),
        languages=("fr",),
    ),
    member(
        "shield",
        "Our laboratory studies the security of networks and answers incidents for ministries and banks.",
        category="academia",
        hq_country="CHE",
        offers=(offer("research"), offer("expertise", "Incident response and forensic analysis")),
        evidence=(proof("s1", "A national incident response team for a ministry"), proof("s2", "Malware in banks")),
    ),
    member("fund", "A bank for agriculture and small farms.", category="associate", hq_country="BRA",
           offers=(offer("funding"),), tags=(tag("sdg", "2"),)),
    member("kuandai", "我们为农村学校建设宽带网络，并培训教师的数字技能。", language="zh", category="sector_member",
           hq_country="LAO", offers=(offer("connectivity"),)),
)  # fmt: skip

PROJECTS = (
    project(
        "schools",
        "Bring broadband to rural schools and train their teachers in digital skills, with satellite links where needed.",
        title="Connected rural schools",
        needs=(need("training", 5), need("connectivity", 4)),
        level="national",
        countries=("TCD",),
        languages=("fr", "en"),
        tags=(tag("sdg", "4"), tag("kap", "AFR2", "2023-2025")),
        owner="ministry",
    ),
    project(
        "incidents",
        "Set up incident response teams that protect national networks, and study malware with universities.",
        needs=(need("research"), need("expertise")),
        level="regional",
        regions=("AFR",),
        owner="ministry",
    ),
    project(
        "debit",
        "Haut débit pour les écoles rurales, avec une formation des enseignants.",
        language="fr",
        needs=(need("training"),),
        countries=("TCD",),
        level="national",
        owner="ministry",
    ),
    project("world", "Satellite broadband for villages everywhere.", level="global", owner="carrier"),
)

"""Golden texts: what an analyser must turn into the very same tokens on every machine, in six languages and all paths.

The declared hash is that of the outputs of analyser 4. Library and Unicode versions are not compared: only outputs count.
"""

from __future__ import annotations

GOLDEN_TEXTS: tuple[tuple[str, str], ...] = (
    (
        "en",
        (
            "The IoT-based e-health service joins Wi-Fi, COVID-19 data and 5G networks (LTE-M). Training of teachers in digital"
            " skills; ICTs for rural schools: affordable last-mile broadband, 2026–2029.\nCAPACITY BUILDING FOR REGULATORS"
        ),
    ),
    (
        "fr",
        (
            "L’élargissement du haut débit à l'école primaire et la formation d'enseignants : réseaux communautaires, "
            "télémédecine, aujourd’hui en Afrique de l'Ouest. Œuvres et naïveté des données."
        ),
    ),
    (
        "es",
        (
            "La ampliación de la banda ancha en escuelas rurales y la capacitación de jóvenes; señales satelitales (VSAT), "
            "ciberseguridad y pequeñas empresas. ¿Cómo medir el impacto?"
        ),
    ),
    (
        "ru",
        (
            "Расширение широкополосного доступа в сельских школах с помощью Starlink и сетей 5G. Ещё не всё: подготовка "
            "специалистов по кибербезопасности и раннее оповещение о бедствиях."
        ),
    ),
    (
        "ar",
        (
            "توسيع نطاق النفاذ إلى الإنترنت عريض النطاق في المدارس الريفية باستخدام Starlink. بناءُ القدرات في الأمن "
            "السيبراني، والصحة الإلكترونية؛ ٢٠٢٦"
        ),
    ),
    (
        "zh",
        (
            "在农村学校扩大宽带互联网接入，利用5G网络和Starlink卫星，培训教师的数字技能。国际电信联盟发展局支持网络安全与智慧村庄项目、远程医疗。"
        ),
    ),
    (
        "en",
        "Marks with\u00adout width: ru\u200bral sch\u200dools, net\u034fwork\ufe0f, \u202ereordered\u202c.",
    ),
    ("en", "LTE, VSAT, GPS, GSM\nRURAL SCHOOLS NETWORK\nWe run LTE and VSAT, GPS and 4G."),
    (
        "en",
        "SMART GRIDS FOR RURAL AREAS work with UNESCO, ISOC and IETF\nHIGH-SPEED NETWORKS FOR ICTs\nThe 学校 network",
    ),
    ("ru", "се\u0301ть школ"),
    ("zh", "教师队伍建设得到认可以后,物联网、云计算IoT平台。的和"),
    ("pt", "Ampliação da banda larga nas escolas do campo; formação de professores."),
    ("sw", "Mtandao wa intaneti vijijini na mafunzo ya walimu."),
)
"""(language, text); Portuguese and Swahili stand for the languages without an analysis of their own."""

GOLDEN_HASH = "8e202572a2226064440249d2dedec4b43c2f872a7d7f7e7a8e82699a2d2f995b"
"""SHA-256 of the outputs over GOLDEN_TEXTS; see `Analyser.golden_hash`."""

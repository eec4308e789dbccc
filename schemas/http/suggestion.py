"""What every answer about a list says of it: a suggestion, and nothing more.

*What.* One statement, word for word the same wherever a list or figures of lists are shown, in each of the six languages;
answers that are told in no language have it in English. *Why here.* Two services show lists, and a reader who saw two
wordings would look for the difference. *Never:* a second wording.
"""

from types import MappingProxyType

SUGGESTION = (
    "This list is a suggestion computed from published weights: not an endorsement by ITU or anybody else, not a "
    "procurement, not a contract. It awards nothing and closes nothing: the project's owner may contact anyone on it or "
    "outside it."
)
SUGGESTIONS = MappingProxyType(
    {
        "ar": "هذه القائمة اقتراح محسوب من أوزان منشورة: ليست تأييدًا من الاتحاد الدولي للاتصالات أو من أي جهة أخرى، ولا "
        "مشتريات، ولا عقدًا. وهي لا تمنح شيئًا ولا تغلق شيئًا: لصاحب المشروع أن يتواصل مع أي جهة، مدرجة فيها أو غير مدرجة.",
        "en": SUGGESTION,
        "es": "Esta lista es una sugerencia calculada con pesos publicados: no es un aval de la UIT ni de nadie, ni una "
        "adquisición, ni un contrato. No adjudica nada ni cierra nada: el titular del proyecto puede dirigirse a cualquiera, "
        "figure en ella o no.",
        "fr": "Cette liste est une suggestion calculée à partir de pondérations publiées : ni approbation de l'UIT ou de "
        "quiconque, ni marché, ni contrat. Elle n'attribue rien et ne ferme rien : le responsable du projet peut s'adresser à "
        "toute organisation, qu'elle y figure ou non.",
        "ru": "Этот список — предложение, рассчитанное по опубликованным весам: не одобрение со стороны МСЭ или кого-либо "
        "ещё, не закупка и не договор. Он ничего не присуждает и ничего не закрывает: владелец проекта может обратиться к "
        "любой организации, из списка или нет.",
        "zh": "本名单是根据公布的权重计算出的建议：不是国际电联或任何其他方的认可，不是采购，也不是合同。"
        "它不授予什么，也不排除什么：项目所有者可以联系名单内外的任何机构。",
    }
)
"""The statement by language."""

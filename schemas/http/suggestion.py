"""What every answer about a list says of it: a suggestion, and nothing more.

*What.* One sentence, word for word the same wherever a list or figures of lists are shown. *Why here.* Two services show
lists, and a reader who saw two wordings would look for the difference. *Never:* a second wording.
"""

SUGGESTION = (
    "This list is a suggestion computed from published weights: not an endorsement by ITU or anybody else, not a "
    "procurement, not a contract. It awards nothing and closes nothing: the project's owner may contact anyone on it or "
    "outside it."
)

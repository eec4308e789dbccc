"""The part of the table of visibility about feeds, streams and files: who may ask; what is in it for them, `test_feeds` says."""

from tests.contracts.visibility_rows import EVERYBODY, PUBLIC, WHOLE_LIST, A, B, Get, Row

NAMED = EVERYBODY - PUBLIC

FEEDS: dict[str, tuple[Row, ...]] = {
    "read_match_feed": (
        Row(send=Get("/v1/feeds/matches"), allowed=NAMED),
        Row(send=Get("/v1/feeds/matches?project={open}&level=national&region=AFR"), allowed=NAMED),
    ),
    "read_current_matches": (Row(send=Get("/v1/feeds/matches/current"), allowed=NAMED),),
    "read_opportunities_atom": (Row(send=Get("/v1/feeds/opportunities.atom"), allowed=EVERYBODY),),
    "stream_matches": (Row(send=Get("/v1/streams/matches"), allowed=NAMED),),
    "get_data_dictionary": (Row(send=Get("/v1/exports/dictionary"), allowed=EVERYBODY),),
    "export_public_data": (
        Row(send=Get("/v1/exports/projects.jsonl"), allowed=EVERYBODY),
        Row(send=Get("/v1/exports/organisations.csv"), allowed=EVERYBODY),
    ),
    "export_list": (
        Row(send=Get("/v1/exports/lists/{open}.csv"), allowed=WHOLE_LIST | A | B),
        Row(send=Get("/v1/exports/lists/{closed}.jsonl"), allowed=WHOLE_LIST | A | B),
        Row(send=Get("/v1/exports/lists/{draft}.csv"), allowed=frozenset(), others=404),
        Row(send=Get("/v1/exports/lists/{withdrawn}.csv"), allowed=WHOLE_LIST, others=404),
    ),
}

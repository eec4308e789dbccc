"""Acceptance 4: two organisations equal but for what they pay have the same score; the published tie rule orders them."""

from uuid import UUID

from tests.services.matches.town import Town


def siphash(key: bytes, message: bytes) -> int:
    """SipHash-2-4 as its authors published it, written again here so that the rule is checked from outside."""
    mask = (1 << 64) - 1

    def rotated(word: int, bits: int) -> int:
        return ((word << bits) | (word >> (64 - bits))) & mask

    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & mask
            v[1] = rotated(v[1], 13) ^ v[0]
            v[0] = rotated(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = rotated(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = rotated(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = rotated(v[1], 17) ^ v[2]
            v[2] = rotated(v[2], 32)

    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 255])
    for begin in range(0, len(padded), 8):
        word = int.from_bytes(padded[begin : begin + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


async def test_what_somebody_pays_moves_nothing_and_ties_follow_the_published_key(town: Town) -> None:
    for number in range(9):
        paid = ("sector_member", "associate", "prospect")[number % 3]
        await town.organisation(
            f"Equal {number}", category=paid, external_ids=[{"scheme": "class", "value": f"{number}-units"}]
        )
    project = await town.published("schools")
    await town.settle()
    rows = (await town.list_of(project))["candidates"]
    assert len({row["points"] for row in rows}) == 1
    key = bytes.fromhex((await town.get("/v1/ranking-statement", who="nobody"))["tie_key"])
    ids = [row["organisation"] for row in rows]
    assert ids == sorted(ids, key=lambda one: siphash(key, UUID(project).bytes + UUID(one).bytes))
    assert [row["name"] for row in rows] != sorted(row["name"] for row in rows)

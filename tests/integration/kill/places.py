"""The places where a copy is cut, and how cases are drawn from them."""

import dataclasses

from tests.integration.kill.cutproxy import DOWN, UP, Cut
from tests.integration.kill.harness import RUNGS, Case

KILLS = ("kill", "flush")
CUTS = ("rst", "fin")
ALL = KILLS + CUTS
# Octets that reach the server after the program is gone, or has given up that connection.
LATE = ("late", "behind")

# side, direction, stretch, where in it, what happens there
PLACES = [
    ("dst", UP, "head", (0,), ALL),                       # before the first octet
    ("dst", UP, "head", (0.3, 0.7, 1), ALL),              # in the head of an APPEND
    ("dst", UP, "literal", (0.01, 0.5, 0.9), KILLS),      # in a literal
    ("dst", UP, "literal", (0.2, 0.5, 0.99), CUTS),
    ("dst", UP, "literal", (-1, 1), ALL),                 # around its end
    ("dst", UP, "tail", (0,), KILLS),                     # between the last literal octet and CRLF
    ("dst", UP, "tail", (0.5,), ALL),                     # between CR and LF
    ("dst", UP, "tail", (1,), KILLS),                     # behind the CRLF
    ("dst", UP, "tail", (1,), CUTS),
    ("dst", DOWN, "answer:APPEND", (0,), KILLS),          # it is in, and nobody was told
    ("dst", DOWN, "answer:APPEND", (0,), CUTS),
    ("dst", DOWN, "answer:APPEND", (0.2, 0.5, 0.9), ALL), # in the OK
    ("dst", DOWN, "answer:APPEND", (1,), KILLS),
    ("dst", DOWN, "plus", (0, 0.5, 1), ALL),
    ("dst", UP, "tail", (0, 0.5), ("late",)),
    ("dst", UP, "literal", (-100, -20, -1), ("late",)),
    ("dst", UP, "tail", (0, 0.5), ("behind",)),
    ("dst", UP, "literal", (-100, -20, -1), ("behind",)),
    ("src", DOWN, "literal", (0, 0.1, 0.5, 1), KILLS),    # the source dies inside a message
    ("src", DOWN, "literal", (0, 0.5, 0.99), CUTS),
    ("src", DOWN, "data:FETCH", (0, 0.5), ALL),           # in the scan
    ("src", DOWN, "data:LIST", (0.5,), ALL),
    ("dst", DOWN, "data:LIST", (0.5,), ALL),
    ("src", UP, "line:UID FETCH", (0, 0.5, 1), ALL),
    ("dst", UP, "line:CREATE", (0.5, 1), ALL),
    ("dst", DOWN, "answer:CREATE", (0, 0.5), ALL),
    ("dst", UP, "line:STATUS", (0, 1), ALL),              # everything is in, the end is near
    ("dst", DOWN, "data:STATUS", (0.5,), ALL),
]


def most(place, rung, batch, messages):
    """How many of such stretches there are for certain."""
    side, direction, name, _, _ = place
    if side == "dst" and name in ("tail", "answer:APPEND"):
        return messages if not rung.startswith("multi") else messages // (batch or 100) + 2 if batch else 4
    if side == "dst" and name == "plus":
        return messages // 2 if "sync" in rung else 1
    if name in ("head", "literal"):
        return messages
    if name == "data:FETCH":
        return messages + messages // 2
    if name == "line:UID FETCH":
        return 8
    return 3


def draw(rng, count, messages):
    """So many cases, all places and all rungs in turn."""
    places, rungs = [], []
    for _ in range(count):
        places = places or rng.sample(PLACES, len(PLACES))
        rungs = rungs or rng.sample(sorted(RUNGS), len(RUNGS))
        place = places.pop()
        rung = rungs.pop()
        side, direction, name, ats, hows = place
        if name == "plus" and "sync" not in rung:
            rung = rng.choice([r for r in RUNGS if "sync" in r])
        batch = rng.choice((0, 4, 7))
        how = rng.choice(hows)
        cut = Cut(direction, name, rng.randint(1, most(place, rung, batch, messages)), rng.choice(ats), how,
                  {"late": 5.0, "behind": 1.5}.get(how, 0.0))
        if how in CUTS and side == "dst" and name in ("head", "literal", "tail", "answer:APPEND"):
            # the next connection is cut, too
            cut = dataclasses.replace(cut, then=Cut(direction, name, cut.number + rng.randint(1, 3), rng.choice(ats), rng.choice(hows)))
        yield Case(rung, side, cut, lanes=rng.choice((1, 1, 3)), batch=batch, visitor=rng.random() < 0.3,
                   resolve={"late": 12, "behind": 4}.get(how, 2))

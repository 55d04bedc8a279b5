"""Run in the oracle's own environment: measures and makes tables anonymous with anjana, pycanon.

Reads JSON from stdin: the published table, its quasi-identifiers, a level and a number that are
sensitive; the table as it was, with the classes of every value at every step.
"""

import json
import sys

import pandas as pd
from anjana.anonymity import k_anonymity
from pycanon import anonymity

asked = json.load(sys.stdin)
quasi = asked["quasi"]
out = pd.DataFrame(asked["published"]).fillna("missing")
found = {
    "k": int(anonymity.k_anonymity(out, quasi)),
    "l": int(anonymity.l_diversity(out, quasi, [asked["level"]])),
    "t_level": float(anonymity.t_closeness(out, quasi, [asked["level"]])),
    "t_number": float(anonymity.t_closeness(out, quasi, [asked["number"]])),
}
raw = pd.DataFrame(asked["raw"]).astype(str)
steps = {
    name: {step: pd.Series(classes).to_numpy() for step, classes in enumerate(levels)}
    for name, levels in asked["steps"].items()
}
made = k_anonymity(raw, [], quasi, asked["k"], asked["suppression"] * 100, steps)
found["made"] = made[quasi].to_dict("list")
json.dump(found, sys.stdout)

"""Carry a digit classifier over to a worse scanner, and look at what the guard says."""

import numpy as np

import transferkit as tk
from transferkit.data import named

domains = named.load("digits")
source, target = domains["clean"], domains["scanner"]

# One method by hand ...
baseline = tk.SourceOnly().fit(source.X, source.y, target=target.hide())
adapted = tk.LinearMonge().fit(source.X, source.y, target=target.hide())
for model in (baseline, adapted):
    print(f"{type(model).__name__:12} {np.mean(model.predict(target.X) == target.y):.3f}")

# ... and several, with a choice that sees no label of the target. Without `methods`, all that fit are tried.
methods = ["coral", "domain_scaling", "linear_monge", "kmm"]
result = tk.run(tk.TransferTask(sources=[source], target=target, methods=methods))
print(result.facts["verdict"]["sentence"])
print(result.report)

"""The six steps, one module each: define, prepare, select, train, evaluate, analyse; `run` calls them in order."""

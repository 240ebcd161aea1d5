"""One preprocess a file; the network's kind of input decides which."""

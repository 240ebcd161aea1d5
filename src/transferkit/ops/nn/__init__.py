"""Mathematics on tensors and modules that two methods or more share. Everything here needs torch."""

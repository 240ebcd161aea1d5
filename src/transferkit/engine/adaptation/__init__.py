"""A network trained on a labelled source and an unlabelled target at once."""

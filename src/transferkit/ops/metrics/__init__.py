"""Scores of predictions: boxes, masks, spans, rankings, several tasks, a stream of them."""

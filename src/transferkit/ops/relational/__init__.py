"""Rules over facts: coverage by indexed joins, refinement, relational regression trees, functional gradient boosting."""

"""What graph methods compute before or beside their networks."""

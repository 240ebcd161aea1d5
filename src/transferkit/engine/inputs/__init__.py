"""What users hand in, as the rows and batches that a network takes."""

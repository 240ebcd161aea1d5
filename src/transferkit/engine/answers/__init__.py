"""Labels as a network takes them, and its outputs as labels: classes and numbers, masks, objects, words."""

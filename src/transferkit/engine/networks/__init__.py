"""Networks: a body, perhaps a neck, a head; what is asked of one, how it is saved and exported."""

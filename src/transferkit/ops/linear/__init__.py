"""Linear models near given ones, of several tasks, and their evidence."""

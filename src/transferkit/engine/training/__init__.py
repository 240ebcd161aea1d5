"""The only training loop, and what it is made of: settings, steps, optimizers, schedules, checkpoints."""

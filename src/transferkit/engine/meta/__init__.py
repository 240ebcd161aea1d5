"""Learning to learn: episodes, the inner loop, the objective and estimator of every meta-learner."""

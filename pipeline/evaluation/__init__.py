"""How good a model is, and what to ask of it: horizons, experiments, tuning, proof against leaks."""

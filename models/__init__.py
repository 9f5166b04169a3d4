"""How we learn: classifier, calibration, baselines, value, evaluation and explanation. Code only, no model files."""

"""How fast Toril is, as ratios to a bare event loop measured in the same run."""

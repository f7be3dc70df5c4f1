"""The pages of the on-call screen."""

"""Saved estimators as pickle and joblib write them, read by an exact list of what they may name."""

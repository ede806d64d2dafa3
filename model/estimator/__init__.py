"""A fitted estimator as a model, with no code of its own: scikit-learn, XGBoost, LightGBM."""

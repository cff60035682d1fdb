"""Pictures of fitted models, in the style of scikit-learn's displays."""

from . import numbers


def scaled(X, weights):
    return numbers.array(X) * weights

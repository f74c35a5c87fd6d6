"""Activation functions."""

import math

import numpy as np

from edgematte.export.mil.attribute import per_channel, unsupported
from edgematte.export.mil.erf import erf
from edgematte.export.mil.graph import Array, Value


def relu(x: Array) -> Value:
    """max(x, 0)."""
    return np.maximum(x, 0)


def relu6(x: Array) -> Value:
    """x limited to [0, 6]."""
    return np.clip(x, 0, 6)


def clamped_relu(x: Array, alpha: Array, beta: Array) -> Value:
    """leaky_relu, then at most beta."""
    return np.minimum(leaky_relu(x, alpha), beta)


def thresholded_relu(x: Array, alpha: Array) -> Array:
    """x from alpha on, else 0."""
    return np.where(x >= alpha, x, np.float32(0))


def leaky_relu(x: Array, alpha: Array) -> Array:
    """x, or alpha x below zero."""
    return np.where(x >= 0, x, alpha * x)


def prelu(x: Array, alpha: Array) -> Array:
    """leaky_relu with one alpha a channel (axis 1)."""
    return leaky_relu(x, per_channel(alpha, x.ndim))


def elu(x: Array, alpha: Array) -> Array:
    """x, or alpha (exp(x) - 1) below zero."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def gelu(x: Array, mode: str) -> Value:
    """x times the normal distribution function of x, exact or one of its two approximations."""
    if mode == "EXACT":
        return 0.5 * x * (1 + erf(x * np.float32(math.sqrt(0.5))))
    if mode == "TANH_APPROXIMATION":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    if mode == "SIGMOID_APPROXIMATION":
        return x * sigmoid(1.702 * x)
    raise unsupported("gelu", "mode", mode)


def sigmoid(x: Array) -> Value:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def sigmoid_hard(x: Array, alpha: Array, beta: Array) -> Value:
    """alpha x + beta, limited to [0, 1]."""
    return np.clip(alpha * x + beta, 0, 1)


def silu(x: Array) -> Value:
    """x sigmoid(x)."""
    return x * sigmoid(x)


def softplus(x: Array) -> Value:
    """log(1 + exp(x))."""
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def softplus_parametric(x: Array, alpha: Array, beta: Array) -> Value:
    """alpha log(1 + exp(beta x)), alpha and beta one a channel (axis 1)."""
    return per_channel(alpha, x.ndim) * softplus(per_channel(beta, x.ndim) * x)


def softsign(x: Array) -> Value:
    """x / (1 + |x|)."""
    return x / (1 + np.abs(x))


def linear_activation(x: Array, alpha: Array, beta: Array) -> Value:
    """alpha x + beta."""
    return alpha * x + beta


def scaled_tanh(x: Array, alpha: Array, beta: Array) -> Value:
    """alpha tanh(beta x)."""
    return alpha * np.tanh(beta * x)


def softmax(x: Array, axis: Array) -> Value:
    """exp(x) normalised to sum 1 along an axis."""
    along = int(axis)
    weights = np.exp(x - np.max(x, axis=along, keepdims=True))
    weights /= np.sum(weights, axis=along, keepdims=True)
    return weights

"""Writes keras.json: what Keras says of losses and optimizers, for numbers that the tests know too.

    pip install tensorflow-cpu && python test/golden/make-keras.py
"""
import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf

ROWS, WIDTH = 6, 4
random = np.random.default_rng(7)


def plain(array):
    """Whole 32-bit floats, in the order in which they lie in memory."""
    return [float(value) for value in np.asarray(array, dtype=np.float32).ravel()]


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


one_hot = np.eye(WIDTH)[random.integers(0, WIDTH, ROWS)]
shares = softmax(random.normal(size=(ROWS, WIDTH)))
yes = random.integers(0, 2, (ROWS, 1)).astype(float)
chances = 1 / (1 + np.exp(-random.normal(size=(ROWS, 1))))
numbers = random.normal(size=(ROWS, WIDTH)) * 3
guesses = numbers + random.normal(size=(ROWS, WIDTH)) * 2
counts = random.integers(0, 6, (ROWS, WIDTH)).astype(float)
rates = np.exp(random.normal(size=(ROWS, WIDTH)))

LOSSES = [
    ("crossEntropy", {"labelSmoothing": 0}, keras.losses.CategoricalCrossentropy(), one_hot, shares),
    ("crossEntropy", {"labelSmoothing": 0.1}, keras.losses.CategoricalCrossentropy(label_smoothing=0.1), one_hot, shares),
    ("binaryCrossEntropy", {"labelSmoothing": 0}, keras.losses.BinaryCrossentropy(), yes, chances),
    ("binaryCrossEntropy", {"labelSmoothing": 0.2}, keras.losses.BinaryCrossentropy(label_smoothing=0.2), yes, chances),
    ("hinge", {}, keras.losses.Hinge(), yes, guesses[:, :1]),
    ("squaredHinge", {}, keras.losses.SquaredHinge(), yes, guesses[:, :1]),
    # Keras takes 0 for the true class when it looks for the best wrong one, so they agree where that is above 0.
    ("categoricalHinge", {}, keras.losses.CategoricalHinge(), one_hot, shares),
    ("klDivergence", {}, keras.losses.KLDivergence(), softmax(numbers), shares),
    ("meanSquaredError", {}, keras.losses.MeanSquaredError(), numbers, guesses),
    ("meanAbsoluteError", {}, keras.losses.MeanAbsoluteError(), numbers, guesses),
    ("huber", {"delta": 1}, keras.losses.Huber(delta=1.0), numbers, guesses),
    ("huber", {"delta": 0.5}, keras.losses.Huber(delta=0.5), numbers, guesses),
    ("logCosh", {}, keras.losses.LogCosh(), numbers, guesses),
    ("poisson", {}, keras.losses.Poisson(), counts, rates),
]

OPTIMIZERS = [
    ("sgd", {"rate": 0.05, "momentum": 0, "nesterov": False}, lambda: keras.optimizers.SGD(0.05)),
    ("sgd", {"rate": 0.05, "momentum": 0.9, "nesterov": False}, lambda: keras.optimizers.SGD(0.05, momentum=0.9)),
    ("sgd", {"rate": 0.05, "momentum": 0.9, "nesterov": True}, lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)),
    # Keras adds epsilon before the correction of the bias, the paper (algorithm 1), PyTorch and mlpipe after it.
    ("adam", {"rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-12}, lambda: keras.optimizers.Adam(0.01, epsilon=1e-12)),
    ("adamax", {"rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7}, lambda: keras.optimizers.Adamax(0.01)),
    ("adagrad", {"rate": 0.1, "accumulator": 0.1, "epsilon": 1e-7}, lambda: keras.optimizers.Adagrad(0.1)),
    ("adadelta", {"rate": 1, "rho": 0.95, "epsilon": 1e-7}, lambda: keras.optimizers.Adadelta(1.0, rho=0.95, epsilon=1e-7)),
    ("rmsprop", {"rate": 0.01, "rho": 0.9, "momentum": 0, "epsilon": 1e-7}, lambda: keras.optimizers.RMSprop(0.01)),
    ("rmsprop", {"rate": 0.01, "rho": 0.9, "momentum": 0.9, "epsilon": 1e-7}, lambda: keras.optimizers.RMSprop(0.01, momentum=0.9)),
]
STEPS = 12
inputs = random.normal(size=(ROWS, 3)).astype(np.float32)
targets = random.normal(size=(ROWS, 2)).astype(np.float32)
start = [random.normal(size=shape).astype(np.float32) * 0.5 for shape in [(3, 4), (4,), (4, 2), (2,)]]


def trained(make):
    """The mean loss of each step, and the weights after the last."""
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)])
    net.set_weights(start)
    optimizer = make()
    losses = []
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(net(inputs) - targets))
        optimizer.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
        losses.append(float(loss))
    return {"losses": losses, "weights": [plain(weights) for weights in net.get_weights()]}


golden = {
    "madeWith": {"tensorflow": tf.__version__, "keras": keras.__version__},
    "losses": [
        {
            "name": name,
            "arguments": arguments,
            "rows": ROWS,
            "truth": plain(truth),
            "predicted": plain(predicted),
            "value": float(loss(truth.astype(np.float32), predicted.astype(np.float32))),
        }
        for name, arguments, loss, truth, predicted in LOSSES
    ],
    "training": {
        "inputs": plain(inputs),
        "targets": plain(targets),
        "rows": ROWS,
        "start": [plain(weights) for weights in start],
        "optimizers": [
            {"name": name, "arguments": arguments, **trained(make)} for name, arguments, make in OPTIMIZERS
        ],
    },
}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "keras.json"), "w") as file:
    json.dump(golden, file, indent=1)
    file.write("\n")

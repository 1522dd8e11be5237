"""Small data sets for examples and tests, loaded as Keras loads them: `ironhorn.datasets.fashion_mnist.load_data()`.

Files are kept under the names that Keras gives them, so that a copy that either library has fetched serves both.
"""

from ironhorn.datasets import fashion_mnist, mnist, process_plant, tennessee_eastman

__all__ = ["fashion_mnist", "mnist", "process_plant", "tennessee_eastman"]

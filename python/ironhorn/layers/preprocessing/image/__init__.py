"""Layers that augment images: one file a layer; all of them run inside of the training step."""

"""What `fit`, `evaluate` and `predict` are made of.

- `trainer`: the `Trainer` mixin that every `Model` inherits, on top of `compilation`: `compile` and the steps;
- `loop`: one pass over one data set, many steps per engine call where nobody listens to batches;
- `arrays`: what the user gave, as checked NumPy arrays;
- `data`: NumPy arrays as an engine source, and the choice among kinds of data: `batch_data` (iterables over batches),
  `py_dataset` (batches by number, and workers that make them ahead), `sparse` (SciPy's matrices);
- `packing`: inputs, targets and weights as one value;
- `compile_utils`: losses and metrics of one or many outputs, which `outputs` brings into one order;
- `progress`: the progress line;
- `nans`: which layer and batch made the first NaN; `limits`: fewer epochs and steps for a trial; `tracebacks`;
- `names`: name lookup with a helpful error.

Nothing is imported here: `losses`, `metrics` and `callbacks` use these modules one by one.
"""

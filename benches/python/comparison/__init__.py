"""Whole `fit` and `predict` calls of Ironhorn beside those of other libraries, turn by turn.

What `compare.py` is made of. The parent process knows no library; each library lives in a worker process of its own,
with the interpreter that has it, and both speak in lines of JSON:

    compare.py  command line
      experiments   which rows there are, and how each is measured        demo   a whole script
      report        medians, ratios, tables                               machine   where it ran
      peers         starts workers, asks them, ends them
    ------------------------------------------------------------------------ one line a question, one an answer
      worker        answers: check, prepare, repeat, first step, memory, sweep
      on_keras on_torch on_onnx     one library each: a training step to check, calls to time
      networks torch_networks       what is trained, with layers of the same names
      workloads     networks with their data, and the weights that all start from
"""

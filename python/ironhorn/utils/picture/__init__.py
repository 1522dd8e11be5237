"""Pictures of models: the layer graph as boxes and arrows, in SVG, PNG or graphviz' language.

`diagram` reads the graph of a model, `layout` places it, `svg` and `png` write it, `dot` hands it to pydot instead.
"""

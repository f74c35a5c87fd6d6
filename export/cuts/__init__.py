"""How each net is cut into graphs with static shapes; one module for each net.

``graphs(model, host)`` of a cut lists its graphs, and ``reference(model, host, picture, reduced,
trimap)`` computes the same matte by PyTorch alone, for the first equality of the check.
"""

"""How each model is cut into graphs with static shapes; one file a model.

A cut module has ``graphs(model, host)``, the list of graphs, and ``reference(model, host, picture,
reduced, trimap)``, the same matte computed by PyTorch alone, for the first equality of the check.
"""

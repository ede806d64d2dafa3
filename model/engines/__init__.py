"""What runs a model: its own library, or a compiled form that was proved to answer the same.

`choose_engines` compiles, proves and measures, once, when a version is added. `open_engines` opens
what was chosen then, in every worker.
"""

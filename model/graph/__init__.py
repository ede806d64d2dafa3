"""An .onnx file as a model: what its graph says of itself, in our words."""

"""A model on another server that speaks the Open Inference Protocol v2, as KServe's do."""

"""From a model to pixels: the engine, and the pipeline that keeps it busy."""

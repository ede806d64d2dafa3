"""Where a model is loaded for the first time: a child process that can do no harm. Linux only."""

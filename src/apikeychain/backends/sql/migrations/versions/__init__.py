"""One module a step, each frozen once it was released."""

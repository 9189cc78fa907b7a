"""Background work: the weave process, live weaving, batches; no widgets and no Qt."""

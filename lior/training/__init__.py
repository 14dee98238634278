"""From a configuration and documents to a model: the stages, and the loop over them."""

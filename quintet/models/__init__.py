"""Models are transformers': here they are loaded, made from nothing, read token by token and saved."""

"""Where prompts come from and what an answer is worth. A task knows no model and no torch."""

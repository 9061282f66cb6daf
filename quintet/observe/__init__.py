"""What a run writes down and what a user sees of it; observers watch every step and change nothing."""
